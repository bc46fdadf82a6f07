#!/usr/bin/env bash
# The tests where green threads share thread-locals, and where each has its own.
# limit: 600
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

# Built once; then side by side, since most tests wait most of the time.
cargo test --lib --tests --examples --no-run
log=$(mktemp -d "$target/modes.XXXXXX")
trap 'rm -rf "$log"' EXIT
declare -A running
for mode in shared own; do
  # What the linker does is the same in both modes.
  GREENROOM_THREAD_LOCALS=$mode \
    ran_some cargo test --lib --tests --examples -- --skip linked_ >"$log/$mode" 2>&1 &
  running[$mode]=$!
done

failed=
for mode in shared own; do
  wait "${running[$mode]}" || failed+=" $mode"
  echo "--- thread-locals: $mode"
  cat "$log/$mode"
done
if [[ -n $failed ]]; then
  echo "failed with these thread-locals:$failed"
  exit 1
fi
