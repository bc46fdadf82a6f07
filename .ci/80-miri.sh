#!/usr/bin/env bash
# The structures without assembly, under Miri (which is nightly only).
# lane: build
# limit: 300
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

# Names, or parts of names, of unit tests; all that match any of them run.
picks=(
  miri_ config:: green::overflow green::state heap::class heap::list heap::slab calls::iov sys::inbox sched::line sched::run_queue sched::sleep
  sched::timers stack:: sync::single sys::favour sys::lock sys::parker sys::quick task::join_state
)

if ! cargo +nightly miri --version >/dev/null 2>&1; then
  echo "SKIPPED: no Miri is installed (rustup +nightly component add miri rust-src)"
  exit 0
fi
# Tree borrows: crossbeam-epoch's intrusive list does not satisfy the stacked
# ones. The stacks' addresses are kept as numbers, whence the provenance.
export MIRIFLAGS="-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-ignore-leaks"
# Miri builds its own std once.
cargo +nightly miri setup
ran_some cargo +nightly miri test --lib --target-dir "$target/miri" -- "${picks[@]}"
