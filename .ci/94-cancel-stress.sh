#!/usr/bin/env bash
# Kills, timeouts, wake-ups, panics and completions against each other, for a
# while in each thread-local mode.
# limit: 200
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

for mode in shared own; do
  GREENROOM_THREAD_LOCALS=$mode GREENROOM_STRESS=${STRESS_SECONDS:-20} \
    ran_some cargo test --release --test cancel_stress
done
