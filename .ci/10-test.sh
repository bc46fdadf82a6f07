#!/usr/bin/env bash
# The tests, as the README has them run. Beside the other lane's compilers they take
# up to 700 seconds.
# limit: 900
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo test
