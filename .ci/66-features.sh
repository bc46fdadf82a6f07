#!/usr/bin/env bash
# What optional features add: each builds alone, and all work together.
# lane: build
# limit: 600
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

features=$(sed -n '/^\[features\]/,/^\[dep/s/^\([a-z]\+\) = .*/\1/p' Cargo.toml)
[[ -n $features ]]
for feature in $features; do
  cargo clippy --lib --features "$feature" -- -D warnings
done

tests=(--test inspect_stats --test log_warnings --test spans)
cargo clippy --all-targets --all-features -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features
for mode in shared own; do
  GREENROOM_THREAD_LOCALS=$mode ran_some cargo test --all-features "${tests[@]}"
done
ran_some cargo test --all-features --doc inspect
