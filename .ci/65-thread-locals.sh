#!/usr/bin/env bash
# Each test in the thread-local mode in which the first step did not run it: what
# patches had its own there, the rest shared them.
# limit: 600
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

shared=(--test=examples --examples) own=(--lib)
for file in tests/*.rs; do
  name=$(basename "$file" .rs)
  case $name in
    # What the linker does is the same in both modes; the others run no code of ours.
    examples | linking | tidy | coverage) continue ;;
  esac
  if grep -qrE 'patch|common_net' "$file" $([[ -d tests/$name ]] && echo "tests/$name"); then
    shared+=(--test="$name")
  else
    own+=(--test="$name")
  fi
done

# Side by side, since most tests wait most of the time.
log=$(mktemp -d "$target/modes.XXXXXX")
trap 'rm -rf "$log"' EXIT
GREENROOM_THREAD_LOCALS=shared ran_some cargo test "${shared[@]}" >"$log/shared" 2>&1 &
GREENROOM_THREAD_LOCALS=own ran_some cargo test "${own[@]}" >"$log/own" 2>&1 &
failed=
for mode in shared own; do
  wait -n || failed=yes
done
for mode in shared own; do
  echo "--- thread-locals: $mode"
  cat "$log/$mode"
done
[[ -z $failed ]]
