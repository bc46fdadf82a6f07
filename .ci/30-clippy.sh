#!/usr/bin/env bash
# Lints, in everything that compiles.
# lane: build
# limit: 400
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo clippy --workspace --all-targets -- -D warnings
