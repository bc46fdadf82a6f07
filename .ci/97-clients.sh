#!/usr/bin/env bash
# Blocking clients and servers of other people, unmodified, on green threads,
# against a Redis and a PostgreSQL of this step's own, and under wrk.
# limit: 420
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../tests/clients"

. ../../.ci/ran.sh

for program in redis-server psql wrk; do
  if ! command -v "$program" >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    retries=(-o Acquire::Retries=3)
    apt-get "${retries[@]}" update -q >/dev/null
    apt-get "${retries[@]}" install -qy redis-server postgresql wrk >/dev/null
    break
  fi
done
postgres=$(echo /usr/lib/postgresql/*/bin)

# Not in the build folder: postgres' own user must get there.
data=$(mktemp -d)
chmod 755 "$data"
as() { if [[ $(id -u) == 0 ]]; then su "$1" -s /bin/bash -c "$2"; else bash -c "$2"; fi; }
stop() {
  as postgres "$postgres/pg_ctl -D $data/db -m immediate stop" >/dev/null || true
  kill "$redis" 2>/dev/null || true
  rm -rf "$data"
}
redis=
trap stop EXIT

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Another may take a port before the server does; then it ends, and gets another.
until [[ -n $redis ]] && redis-cli -p "$redis_port" ping >/dev/null 2>&1; do
  if [[ -z $redis ]] || ! kill -0 "$redis" 2>/dev/null; then
    redis_port=$(port)
    redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --dir "$data" >"$data/redis.log" &
    redis=$!
  fi
  sleep 0.1
done

mkdir "$data/db"
if [[ $(id -u) == 0 ]]; then chown postgres "$data/db"; fi
as postgres "$postgres/initdb -A trust -U postgres -D $data/db" >"$data/initdb.log"
start_postgres() {
  pg_port=$(port)
  as postgres "$postgres/pg_ctl -w -D $data/db -l $data/db/log -o '-p $pg_port -c listen_addresses=127.0.0.1 -k $data/db -c fsync=off' start" >/dev/null
}
start_postgres || start_postgres || start_postgres

export GREENROOM_REDIS=127.0.0.1:$redis_port
export GREENROOM_POSTGRES="host=127.0.0.1 port=$pg_port user=postgres"
ran_some cargo test --tests
