#!/usr/bin/env bash
# The hot paths take no more instructions than benches/instructions.bounds says.
# limit: 240
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Without the peers of the comparative suite.
cargo build --release -p greenroom-bench --no-default-features --bin instructions

code=0
"${CARGO_TARGET_DIR:-target}/release/instructions" || code=$?
# 77: it has said that, and why, nothing can be counted here.
if ((code == 77)); then
  echo '!!! SKIPPED: a regression of the hot paths would not be noticed here !!!'
elif ((code != 0)); then
  exit "$code"
fi
