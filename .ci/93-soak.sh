#!/usr/bin/env bash
# Half a million short connections: nothing grows.
# limit: 150
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. .ci/ran.sh

GREENROOM_SOAK=500000 ran_some cargo test --release --test soak -- --nocapture
