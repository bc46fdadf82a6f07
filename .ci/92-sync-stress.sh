#!/usr/bin/env bash
# Locks, condition variables, semaphores and timeouts among a thousand green
# threads and eight OS threads, for a while each.
# limit: 300
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

# std's, and C's semaphores: so many seconds of each.
GREENROOM_STRESS=${STRESS_SECONDS:-25} ran_some cargo test --release --test sync_stress
# C's locks: a million turns at each.
for ((round = 0; round < 3; round++)); do
  C_SYNC_STRESS=1 ran_some cargo test --release --test c_sync
done
