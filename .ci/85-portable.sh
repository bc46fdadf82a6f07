#!/usr/bin/env bash
# The reactor on polling's own calls.
# lane: build
# limit: 400
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

# What differs is the reactor, so these are the tests of what waits in it.
tests=(
  accept_limits bulk bulk_wait children close dns exhaustion explicit_net explicit_patched
  files_wait handover hostile_net other_sockets own_hog polling reuse reuse_unseen select
  select_refused select_sockets semantics server_hard server_stream signals sleep soak tcp
  tcp_c timeouts timers wake_ups workers
)
export RUSTFLAGS="--cfg greenroom_portable"
ran_some cargo test --lib "${tests[@]/#/--test=}" --target-dir "$target/portable"
