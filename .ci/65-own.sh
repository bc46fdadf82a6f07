#!/usr/bin/env bash
# The tests where each green thread has its own thread-locals.
# limit: 300
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

# What the linker does is the same in both modes.
export GREENROOM_THREAD_LOCALS=own
ran_some cargo test --lib --tests --examples -- --skip linked_
