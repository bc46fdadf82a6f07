#!/usr/bin/env bash
# Every interleaving of the passive structures: unit tests named loom_*.
# lane: build
# limit: 300
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

export RUSTFLAGS="--cfg loom"
# To compile everything for speed takes longer than it saves.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=1
ran_some cargo test --release --lib --target-dir "$target/loom" loom_
