#!/usr/bin/env bash
# The tests again, optimised.
# limit: 400
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo test --release
