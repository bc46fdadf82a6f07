#!/usr/bin/env bash
# Each test in the thread-local mode in which the first step did not run it. There,
# what patches had its own, and the rest shared them. One file may do both, as may
# one test: so all run with their own here, and those that name the patch share them
# as well.
# limit: 600
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

own=(--lib --examples) shared=(--examples)
for file in tests/*.rs; do
  name=$(basename "$file" .rs)
  case $name in
    # What the linker does is the same in both modes; the others run no code of ours.
    linking | tidy | coverage) continue ;;
  esac
  own+=(--test="$name")
  if grep -qrE 'patch|common_net' "$file" $([[ -d tests/$name ]] && echo "tests/$name"); then
    shared+=(--test="$name")
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
