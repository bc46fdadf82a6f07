#!/usr/bin/env bash
# A million green threads sleep and finish, under the stock sysctls.
# limit: 240
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stress=${STRESS_EXAMPLE:-million}

cargo build --release --example "$stress"
# What a sleeping one costs, and then how many there can be.
timeout --kill-after=5 60 cargo run --quiet --release --example "$stress" -- 100000 --max-bytes 4600 </dev/null
GREENROOM_THREAD_LOCALS=own \
  timeout --kill-after=5 60 cargo run --quiet --release --example "$stress" -- 100000 --max-bytes 9216 </dev/null
timeout --kill-after=5 180 cargo run --quiet --release --example "$stress" </dev/null
