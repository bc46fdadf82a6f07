#!/usr/bin/env bash
# The tests over the portable poller.
# limit: 400
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

# What differs is the reactor, so the linking battery (linked_*) is left out.
export RUSTFLAGS="--cfg greenroom_portable"
ran_some cargo test --lib --tests --target-dir "$target/portable" -- --skip linked_
