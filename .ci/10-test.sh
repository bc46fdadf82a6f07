#!/usr/bin/env bash
# The tests, as the README has them run.
# limit: 900
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo test
