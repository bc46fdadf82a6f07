#!/usr/bin/env bash
# Every example runs to its end, in release.
# limit: 300
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# How long each may run once it is built; the stress step has its own.
limit=${SMOKE_LIMIT:-60}
stress=${STRESS_EXAMPLE:-million}

arguments() {
  case $1 in
    ten_thousand) echo 10000 ;;
    top) echo 3 ;;
  esac
}

cargo build --release --examples
ran=0
for file in examples/*.rs examples/*/main.rs; do
  if [[ ! -e $file ]]; then
    continue
  fi
  name=${file#examples/}
  name=${name%/main.rs}
  name=${name%.rs}
  if [[ $name == "$stress" ]]; then
    continue
  fi
  read -ra words < <(arguments "$name") || true
  echo "--- example $name ${words[*]-}"
  code=0
  timeout --kill-after=5 "$limit" \
    "${CARGO_TARGET_DIR:-target}/release/examples/$name" ${words[@]+"${words[@]}"} </dev/null || code=$?
  if ((code != 0)); then
    echo "example $name failed (exit code $code; 124 is out of time)"
    exit 1
  fi
  ran=$((ran + 1))
done
if ((ran == 0)); then
  echo "no example found"
  exit 1
fi
