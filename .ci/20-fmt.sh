#!/usr/bin/env bash
# The format of all code.
# lane: build
# limit: 60
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo fmt --all --check
# Packages of their own, which cargo fmt misses.
rustfmt --edition 2024 --check tests/linking/*.rs tests/crates/tests/*.rs
