#!/usr/bin/env bash
# The format of all code.
# lane: build
# limit: 60
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo fmt --all --check
# Packages of their own, which cargo fmt misses.
find tests/{linking,crates,clients,others} -name '*.rs' -not -path '*/target/*' \
  -exec rustfmt --edition 2024 --check {} +
