#!/usr/bin/env bash
# What may go wrong only when optimised: races, unwinding, what is inlined
# around a switch.
# lane: build
# limit: 400
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

tests=(
  c_sync cancel_stress churn close files_wait first_of futex generator greenlet_random
  group handover hostile hostile_net inspect_many iwait kill kill_calls no_membarrier
  offload own_passing own_sound own_sync pool reuse scope select_sockets server_hard stall
  std_sleep std_sync sync_primitives tcp threads timeout timers unpark wake_near wake_ups
)
ran_some cargo test --release --lib "${tests[@]/#/--test=}"
