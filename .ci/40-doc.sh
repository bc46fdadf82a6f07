#!/usr/bin/env bash
# The documentation: every item has some, every link leads somewhere.
# lane: build
# limit: 120
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export RUSTDOCFLAGS="-D warnings"
cargo doc --no-deps
