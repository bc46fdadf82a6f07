#!/usr/bin/env bash
# The published tests of crossbeam-channel and crossbeam-utils, unmodified, with
# every thread that they make a green thread. What is left out stands in
# tests/others/exclusions, what is run by itself in tests/others/alone, and files of
# tests that go by the clock in tests/others/clocked.
# lane: build
# limit: 420
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

root=$PWD
mkdir -p "$target/others"
build=$(cd "$target/others" && pwd)
manifest=$root/tests/others/Cargo.toml
cargo fetch --quiet --manifest-path "$manifest"

# source_of CRATE: where cargo keeps its published sources.
source_of() {
  cargo metadata --format-version 1 --manifest-path "$manifest" \
    | grep -o "\"manifest_path\":\"[^\"]*/$1-[0-9][^\"/]*/Cargo.toml\"" \
    | head -n 1 | sed 's/.*:"//; s|/Cargo.toml"||'
}

# named FILE CRATE: the tests of that crate that stand in it.
named() {
  local of name
  while read -r of name _; do
    if [[ $of == "$2" ]]; then echo "$name"; fi
  done < <(grep -v '^#' "$root/tests/others/$1" || true)
}

for crate in ${OTHERS:-crossbeam-utils crossbeam-channel}; do
  source=$(source_of "$crate")
  if [[ -z $source ]]; then
    echo "no sources of $crate"
    exit 1
  fi
  copy=$build/$crate
  rm -rf "$copy"
  cp -r "$source" "$copy"
  chmod -R u+w "$copy"
  rm -f "$copy/Cargo.lock"
  printf '\n[dev-dependencies.greenroom-harness]\npath = "%s"\n\n[workspace]\n' \
    "$root/tests/others" >>"$copy/Cargo.toml"
  # Naming the harness is what links it in, and that is all it takes.
  for file in "$copy"/tests/*.rs; do
    printf '\nextern crate greenroom_harness as _;\n' >>"$file"
  done
  mapfile -t alone < <(named alone "$crate")
  mapfile -t skips < <({ named exclusions "$crate"; named alone "$crate"; } | sed 's/^/--skip=/')
  mapfile -t clocked < <(named clocked "$crate")
  # Some tests spin until another thread runs, which takes a worker that is free, as
  # it takes a preempting kernel with OS threads: so there is one more than tests that
  # run at a time.
  workers=3 at_once=2
  echo "--- $crate on $workers workers"
  (
    cd "$copy"
    export GREENROOM_WORKERS=$workers CARGO_TARGET_DIR=$build/target
    target=$build/target
    run() { ran_some cargo test --release "$@"; }
    files=()
    for file in tests/*.rs; do
      name=$(basename "$file" .rs)
      [[ " ${clocked[*]} " == *" $name "* ]] || files+=("--test=$name")
    done
    run --lib "${files[@]}" -- --test-threads=$at_once "${skips[@]}"
    for name in "${alone[@]}"; do run --tests -- --exact "$name"; done
    # Who is stopped by the kernel for 50 ms is too late for some; not each time.
    for name in "${clocked[@]}"; do
      run "--test=$name" || run "--test=$name" || run "--test=$name"
    done
  )
done
