#!/usr/bin/env bash
# Kills, timeouts, wake-ups, panics and completions against each other, also in
# pools and among those who wait for several things, for a while in each
# thread-local mode.
# limit: 200
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

for mode in shared own; do
  GREENROOM_THREAD_LOCALS=$mode GREENROOM_STRESS=${STRESS_SECONDS:-20} \
    ran_some cargo test --release --test cancel_stress
  GREENROOM_THREAD_LOCALS=$mode GREENROOM_STRESS=$((${STRESS_SECONDS:-20} / 2)) \
    ran_some cargo test --release --test pool_stress --test several_stress
done
