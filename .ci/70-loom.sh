#!/usr/bin/env bash
# Every interleaving of the passive structures: unit tests named loom_*.
# lane: build
# limit: 300
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

export RUSTFLAGS="--cfg loom"
ran_some cargo test --release --lib --target-dir "$target/loom" loom_
