#!/usr/bin/env bash
# The tests again, optimised.
# limit: 400
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What the linker does, and what the docs say, is the same as in step 10.
cargo test --release --lib --tests --examples -- --skip linked_
