#!/usr/bin/env bash
# The tests where green threads share thread-locals, and where each has its own.
# limit: 600
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

# What the linker does is the same in both modes.
for mode in shared own; do
  echo "--- thread-locals: $mode"
  GREENROOM_THREAD_LOCALS=$mode ran_some cargo test --lib --tests --examples -- --skip linked_
done
