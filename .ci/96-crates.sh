#!/usr/bin/env bash
# parking_lot, crossbeam, rand, and mimalloc and jemalloc as the program's
# allocator, unmodified, on green threads.
# lane: build
# limit: 300
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../tests/crates"

. ../../.ci/ran.sh

ran_some cargo test --release --tests
