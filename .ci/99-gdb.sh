#!/usr/bin/env bash
# gdb lists green threads and walks their stacks, in a process and in core files.
# lane: build
# limit: 240
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

if ! command -v gdb >/dev/null; then
  apt-get -qq update
  apt-get -qq install -y --no-install-recommends gdb
fi

export GREENROOM_GDB=1
ran_some cargo test --test gdb
ran_some cargo test --release --test gdb
