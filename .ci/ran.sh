# Sourced by the steps that pick tests by name: a pick that matches nothing
# passes in silence, so these ask for at least one.

# Where cargo puts things; the steps with other flags use folders below it.
target=${CARGO_TARGET_DIR:-target}

# ran_some COMMAND...: runs it, and fails if it fails or passed no test.
ran_some() {
  local log passed
  mkdir -p "$target"
  log=$(mktemp "$target/ran.XXXXXX")
  # pipefail makes this fail with the command; said outright, as errexit is off
  # where the caller has this in a condition.
  if ! "$@" 2>&1 | tee "$log"; then
    rm -f "$log"
    return 1
  fi
  passed=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
  rm -f "$log"
  if ((passed == 0)); then
    echo "no test ran: $*"
    return 1
  fi
}
