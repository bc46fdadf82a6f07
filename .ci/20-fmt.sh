#!/usr/bin/env bash
# The format of all code.
# limit: 60
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo fmt --all --check
# Built by tests/linking.rs as a package of their own: cargo fmt misses them.
rustfmt --edition 2024 --check tests/linking/*.rs
