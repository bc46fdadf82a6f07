#!/usr/bin/env bash
# Shows that every step of .ci/run can fail: plants one defect at a time in a
# copy of the last commit, runs the step that should notice, and looks for the
# defect's name in what it says. Run by hand: .ci/selftest.sh [STEP...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
# Kept, so that the dependencies are built once.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/selftest
mkdir -p "$CARGO_TARGET_DIR"
# The same place every time for the same repository: what cargo has kept knows
# its sources by their path.
scratch=${TMPDIR:-/tmp}/greenroom-selftest-$(printf '%s' "$root" | cksum | cut -d ' ' -f 1)
rm -rf "$scratch"
mkdir -m 700 "$scratch"
trap 'rm -rf "$scratch"' EXIT
copy=$scratch/copy
log=$scratch/log
git clone --quiet --local "$root" "$copy"
cd "$copy"

wanted=("$@")
asked() {
  local name
  if ((${#wanted[@]} == 0)); then
    return 0
  fi
  for name in "${wanted[@]}"; do
    if [[ $1 == *"$name"* ]]; then
      return 0
    fi
  done
  return 1
}

tried=()
# expect SCRIPT PATTERN: SCRIPT fails, and says PATTERN.
expect() {
  local code=0
  bash ".ci/$1" >"$log" 2>&1 </dev/null || code=$?
  if ((code == 0)); then
    echo "NOT NOTICED by $1: $2"
    tail -n 40 "$log"
    exit 1
  fi
  # .ci/run promises the name of the step in its last line.
  if [[ $1 == run ]]; then
    tail -n 1 "$log" >"$log.last"
    mv "$log.last" "$log"
  fi
  if ! grep -Eq -- "$2" "$log"; then
    echo "FAILED FOR ANOTHER REASON: $1 does not say: $2"
    tail -n 40 "$log"
    exit 1
  fi
  tried+=("$1")
  printf 'noticed by %-16s %s\n' "$1" "$2"
  git reset --quiet --hard
  git clean --quiet -fd
}

# A unit test in the library, so that `cargo test --lib` meets it.
plant_unit_test() { # attributes, body
  printf '\n%s\nmod planted {\n#[test]\n%s\n}\n' "$1" "$2" >>src/lib.rs
}

plant_test() { # body; named to be the first that runs
  printf '//! Planted.\n\n#[test]\nfn planted() {\n    %s\n}\n' "$1" >tests/aaa_planted.rs
}

plant_example() { # name, body
  mkdir -p examples
  printf '//! Planted.\n\nfn main() {\n    %s\n}\n' "$2" >"examples/$1.rs"
}

if asked 10-test; then
  plant_test 'panic!("planted defect");'
  expect 10-test.sh 'planted defect'
fi

if asked 20-fmt; then
  printf '\nfn  planted( ) {}\n' >>src/lib.rs
  expect 20-fmt.sh 'fn  planted'
  for apart in linking/inert clients/tests/tokio crates/src/lib others/src/lib; do
    printf '\nfn  planted( ) {}\n' >>"tests/$apart.rs"
    expect 20-fmt.sh 'fn  planted'
  done
fi

if asked 30-clippy; then
  plant_test 'assert!(std::env::args().count().min(0) == 0, "planted"); return;'
  expect 30-clippy.sh 'aaa_planted'
  printf '\nmod planted {\n    static _L: std::sync::Mutex<()> = std::sync::Mutex::new(());\n}\n' >>src/lib.rs
  expect 30-clippy.sh 'disallowed type .std::sync::Mutex'
fi

if asked 40-doc; then
  printf '/// See [`planted`].\npub mod aaa_planted {}\n' >>src/lib.rs
  expect 40-doc.sh 'unresolved link to .planted'
fi

if asked 50-examples; then
  plant_example aaa_planted 'std::process::exit(3);'
  expect 50-examples.sh 'aaa_planted failed \(exit code 3'
  plant_example aaa_planted 'std::thread::sleep(std::time::Duration::from_secs(600));'
  SMOKE_LIMIT=5 expect 50-examples.sh 'aaa_planted failed \(exit code 124'
fi

if asked 60-release; then
  plant_unit_test '#[cfg(test)]' 'fn planted() { assert!(cfg!(debug_assertions), "planted defect"); }'
  expect 60-release.sh 'planted defect'
fi

if asked 65-thread-locals; then
  plant_test 'assert!(std::env::var("GREENROOM_THREAD_LOCALS").as_deref() != Ok("own"), "planted defect");'
  expect 65-thread-locals.sh 'planted defect'
  # What names the patch may use it, or not: it is run in both modes.
  for mode in own shared; do
    plant_test "// No patch.
    assert!(std::env::var(\"GREENROOM_THREAD_LOCALS\").as_deref() != Ok(\"$mode\"), \"planted defect\");"
    expect 65-thread-locals.sh 'planted defect'
  done
fi

if asked 66-features; then
  printf '\n#[test]\nfn planted() {\n    panic!("planted defect");\n}\n' >>tests/spans.rs
  expect 66-features.sh 'planted defect'
fi

if asked 70-loom; then
  plant_unit_test '#[cfg(all(test, loom))]' 'fn loom_planted() { panic!("planted defect"); }'
  expect 70-loom.sh 'planted defect'
  # Also that a pick which matches nothing does not pass in silence.
  sed -i 's/loom_$/no_such_test/' .ci/70-loom.sh
  expect 70-loom.sh 'no test ran'
fi

if asked 80-miri; then
  if cargo +nightly miri --version >/dev/null 2>&1; then
    plant_unit_test '#[cfg(test)]' 'fn miri_planted() {
      let gone = { let here = Box::new(1u8); std::ptr::from_ref(&*here) };
      // SAFETY: none; this is the defect.
      assert_ne!(unsafe { gone.read() }, 2);
    }'
    expect 80-miri.sh 'Undefined Behavior'
    sed -i '/^picks=(/,/^)/c picks=(no_such_test)' .ci/80-miri.sh
    expect 80-miri.sh 'no test ran'
  else
    echo 'not tried: 80-miri.sh (no Miri is installed)'
    tried+=(80-miri.sh)
  fi
fi

if asked 85-portable; then
  plant_unit_test '#[cfg(all(test, greenroom_portable))]' 'fn planted() { panic!("planted defect"); }'
  expect 85-portable.sh 'planted defect'
fi

if asked 90-stress; then
  plant_example aaa_planted 'panic!("planted defect");'
  STRESS_EXAMPLE=aaa_planted expect 90-stress.sh 'planted defect'
fi

if asked 95-others; then
  sed -i 's/^extern "C" fn patch() {/&\n    eprintln!("planted defect");\n    std::process::exit(7);/' tests/others/src/lib.rs
  OTHERS=crossbeam-utils expect 95-others.sh 'planted defect'
fi

if asked 92-sync-stress; then
  sed -i 's/^fn size() -> (usize, usize) {/&\n    panic!("planted defect");/' tests/sync_stress.rs
  expect 92-sync-stress.sh 'planted defect'
fi

if asked 93-soak; then
  # Each connection leaves a descriptor behind.
  sed -i 's/^    stream.write_all(&message).unwrap();/&\n    std::mem::forget(stream.try_clone());/' tests/soak.rs
  expect 93-soak.sh 'panicked'
fi

if asked 94-cancel-stress; then
  sed -i 's/^fn seconds() -> Duration {/&\n    panic!("planted defect");/' tests/cancel_stress.rs
  expect 94-cancel-stress.sh 'planted defect'
fi

if asked 96-crates; then
  sed -i 's/^fn ready() {/&\n    panic!("planted defect");/' tests/crates/tests/locks.rs
  expect 96-crates.sh 'planted defect'
fi

if asked 97-clients; then
  sed -i 's/^pub fn ready() .*/&\n    panic!("planted defect");/' tests/clients/tests/common/mod.rs
  expect 97-clients.sh 'planted defect'
fi

if asked 98-instructions; then
  sed -i 's/^yield .*/yield 100/' benches/instructions.bounds
  expect 98-instructions.sh 'yield .*TOO MANY'
fi

if asked 99-gdb; then
  sed -i '1i raise RuntimeError("planted defect")' examples/gdb/greenroom.py
  expect 99-gdb.sh 'planted defect'
fi

if asked run; then
  # plant_step LINES...: the only step there is.
  plant_step() {
    rm -f .ci/[0-9]*
    printf '%s\n' '#!/usr/bin/env bash' 'set -euo pipefail' "$@" >.ci/01-planted.sh
  }
  # Fails, though the last of the pipe does not.
  plant_step '# limit: 60' 'false | true'
  expect run 'FAILED: .ci/01-planted.sh \(exit code 1'
  plant_step '# limit: 1' 'sleep 60'
  expect run 'FAILED: .ci/01-planted.sh \(out of time'
  plant_step
  expect run 'FAILED: .ci/01-planted.sh \(it has no line'
  plant_step '# limit: 60' 'sleep 3'
  sed -i 's/^total=.*/total=1/' .ci/run
  expect run 'FAILED: .ci/01-planted.sh \(out of time'
  # In the other lane; the first one is not waited for.
  plant_step '# limit: 60' 'sleep 60'
  printf '# limit: 60\n# lane: build\nsleep 1\nfalse\n' >.ci/02-other.sh
  expect run 'FAILED: .ci/02-other.sh \(exit code 1 after 1 s'
  rm -f .ci/[0-9]*
  expect run 'FAILED: no steps found'
fi

# Every step must have been tried, the ones added later too.
if ((${#wanted[@]} == 0)); then
  for step in .ci/[0-9][0-9]-*.sh; do
    if [[ " ${tried[*]} " != *" ${step#.ci/} "* ]]; then
      echo "NO DEFECT PLANTED for $step"
      exit 1
    fi
  done
fi
echo 'Every step that was tried can fail.'
