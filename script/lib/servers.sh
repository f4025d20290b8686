# shellcheck shell=bash
# A private PostgreSQL and Redis for one state directory: reachable only through Unix sockets, independent of any
# server on the machine. Nothing here trusts a pid file: a server of ours is a process whose working directory is its
# data directory. Sourced after common.sh.

# Prints the program directory of the newest installed PostgreSQL that is new enough, or of the major given.
find_postgres() {  # [MAJOR]
  local directory tool major best=14 found=''
  for directory in /usr/lib/postgresql/*/bin "$(dirname -- "$(command -v postgres || true)")"; do
    for tool in initdb pg_ctl postgres psql; do [ -x "$directory/$tool" ] || continue 2; done
    major=$("$directory/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    if [ "$major" -gt "$best" ] && [ "$major" = "${1:-$major}" ]; then best=$major found=$directory; fi
  done
  [ -n "$found" ] && printf '%s\n' "$found"
}

# PostgreSQL refuses to run as root: root runs it as the user that the server's package made.
as_database_owner() {
  # The directory the caller stands in may be closed to that user.
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else (cd / && "$@"); fi
}

# A directory with a short name that belongs to this state directory: Unix socket paths end at 107 bytes.
short_directory() {  # STATE
  local parent=${TMPDIR:-/tmp} directory
  [ "${#parent}" -le 60 ] || parent=/tmp
  directory=$parent/coffer-$(id -u)-$(printf '%s' "$1" | cksum | cut -d ' ' -f 1)
  realpath -m -- "$directory"
}

# Makes a directory that nobody else may have made before us (it may lie in a shared one).
own_directory() {  # DIRECTORY MODE
  [ -d "$1" ] || mkdir -p -- "$1"
  if [ -L "$1" ] || [ ! -O "$1" ]; then die "$1 belongs to somebody else"; fi
  chmod "$2" -- "$1"
}

# Decides where each server's files lie, into the variables below. Root's database owner must be able to reach its
# data, which it cannot under a closed home directory; then they go to a place of its own.
locate() {  # STATE
  local state=$1
  short_home=$(short_directory "$state")
  pg_place=$state
  if [ "$(id -u)" = 0 ]; then
    id postgres > /dev/null 2>&1 || die 'root needs the user "postgres" to run PostgreSQL as: run script/setup'
    if ! as_database_owner test -x "$state"; then
      pg_place=$(realpath -m /var/lib/postgresql)/${short_home##*/}
      as_database_owner test -w /var/lib/postgresql || pg_place=$short_home
    fi
  fi
  pg_home=$pg_place/postgres
  pg_data=$pg_home/data
  pg_sockets=$pg_home
  redis_home=$state/redis
  redis_socket=$redis_home/redis.sock
  if [ "$(printf '%s' "$pg_sockets/.s.PGSQL.5432.lock" | wc -c)" -gt 107 ]; then pg_sockets=$short_home/postgres; fi
  if [ "$(printf '%s' "$redis_socket" | wc -c)" -gt 107 ]; then redis_socket=$short_home/redis.sock; fi
}

# Process ids of the named program that work in a directory.
processes_in() {  # DIRECTORY PROGRAM
  local link directory
  while read -r link directory; do
    link=${link%/cwd}
    if [ "$directory" = "$1" ] && grep -qsx "$2" "$link/comm"; then printf '%s\n' "${link#/proc/}"; fi
  done < <(find /proc/[0-9]*/cwd -maxdepth 0 -printf '%p %l\n' 2> /dev/null)
}

# Waits until no such process is left.
wait_gone() {  # DIRECTORY PROGRAM SECONDS
  local end=$((SECONDS + $3))
  while [ -n "$(processes_in "$1" "$2")" ]; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

percent_encode() {
  local LC_ALL=C text=$1 out='' i character
  for ((i = 0; i < ${#text}; i++)); do
    character=${text:i:1}
    case $character in
      [a-zA-Z0-9/._~-]) out+=$character ;;
      *) printf -v out '%s%%%02X' "$out" "'$character" ;;
    esac
  done
  printf '%s\n' "$out"
}

ask_postgres() { as_database_owner "$pg_bin/psql" -X -q -A -t -h "$pg_sockets" -p 5432 -U coffer "$@"; }
postgres_answers() { ask_postgres -d postgres -c 'select 1' > /dev/null 2>&1; }

make_postgres_data() {
  # Under another name until it is complete: a killed initdb leaves nothing that looks like a database.
  as_database_owner rm -rf -- "$pg_data.new"
  quietly as_database_owner "$pg_bin/initdb" --pgdata="$pg_data.new" --username=coffer --auth=trust --no-sync \
    --encoding=UTF8 --locale=C.UTF-8 || die "PostgreSQL could not make its data in $pg_data"
  printf '%s\n' "include '../coffer.conf'" | as_database_owner tee -a "$pg_data.new/postgresql.conf" > /dev/null
  as_database_owner mv -- "$pg_data.new" "$pg_data" || die "cannot make $pg_data"
}

start_postgres() {  # [SETTING...]
  local setting lines
  pg_bin=$(find_postgres) || die 'no PostgreSQL server from version 15 on is installed: run script/setup'
  if as_database_owner test -f "$pg_data/PG_VERSION"; then
    pg_bin=$(find_postgres "$(as_database_owner cat "$pg_data/PG_VERSION")") ||
      die "$pg_data was made by another major version of PostgreSQL: install that, or run script/server --reset"
  else
    make_postgres_data
  fi
  if [ -n "$(processes_in "$pg_data" postgres)" ]; then
    for _ in $(seq 50); do
      if postgres_answers; then return; fi
      [ -n "$(processes_in "$pg_data" postgres)" ] || break
      sleep 0.2
    done
    wait_gone "$pg_data" postgres 10 || die "a PostgreSQL is running in $pg_data and does not answer: see $pg_home/log"
  fi
  # No process of this data directory is left, so these are left-overs, whoever may have got their pid by now.
  as_database_owner rm -f -- "$pg_data/postmaster.pid" "$pg_sockets/.s.PGSQL.5432" "$pg_sockets/.s.PGSQL.5432.lock"
  printf -v lines '%s\n' "listen_addresses = ''" "port = 5432" "max_connections = 200" \
    "unix_socket_directories = '\"${pg_sockets//\'/\'\'}\"'" "unix_socket_permissions = 0700" \
    "log_line_prefix = '%m [%p] '" "timezone = UTC" "log_timezone = UTC"
  for setting; do lines+=$setting$'\n'; done
  printf '%s' "$lines" | as_database_owner tee "$pg_home/coffer.conf" > /dev/null
  quietly as_database_owner "$pg_bin/pg_ctl" --pgdata="$pg_data" --log="$pg_home/log" --wait --timeout=60 --silent start ||
    die "PostgreSQL did not start; the end of $pg_home/log says:"$'\n'"$(as_database_owner tail -n 20 "$pg_home/log")"
}

start_redis() {
  if [ -n "$(processes_in "$redis_home" redis-server)" ]; then
    if redis-cli -s "$redis_socket" ping > /dev/null 2>&1; then return; fi
    stop_redis
  fi
  command -v redis-server > /dev/null || die 'redis-server is not installed: run script/setup'
  rm -f -- "$redis_socket"
  # A cache and nothing more: bounded, and never written to disk.
  printf '%s\n' 'port 0' "unixsocket \"$redis_socket\"" 'unixsocketperm 700' "dir \"$redis_home\"" \
    "logfile \"$redis_home/log\"" 'daemonize yes' 'save ""' 'appendonly no' 'maxmemory 256mb' \
    'maxmemory-policy allkeys-lru' | quietly redis-server - || die "Redis did not start: see $redis_home/log"
  for _ in $(seq 100); do
    if redis-cli -s "$redis_socket" ping > /dev/null 2>&1; then return; fi
    sleep 0.1
  done
  die "Redis does not answer: see $redis_home/log"
}

stop_redis() {
  local pid
  for pid in $(processes_in "$redis_home" redis-server); do kill -TERM "$pid" 2> /dev/null || true; done
  wait_gone "$redis_home" redis-server 10 && return
  for pid in $(processes_in "$redis_home" redis-server); do kill -KILL "$pid" 2> /dev/null || true; done
  wait_gone "$redis_home" redis-server 5
}

stop_postgres() {
  local mode
  [ -n "$(processes_in "$pg_data" postgres)" ] || return 0
  pg_bin=$(find_postgres "$(as_database_owner cat "$pg_data/PG_VERSION")")
  for mode in fast immediate; do
    as_database_owner "$pg_bin/pg_ctl" --pgdata="$pg_data" --mode="$mode" --wait --timeout=30 --silent stop \
      > /dev/null 2>&1 || true
    if wait_gone "$pg_data" postgres 5; then return; fi
  done
  say "PostgreSQL in $pg_data does not stop"
  return 1
}

# Runs a function while no other invocation touches the servers of this state directory. The servers must not inherit
# the lock (descriptor 9), or it would last as long as they do. A signal may end the script inside; its clean-up then
# comes here again, and must not wait for itself.
servers_lock_held=no
with_servers_locked() {  # STATE FUNCTION [ARGUMENT...]
  local state=$1 status=0
  shift
  if [ "$servers_lock_held" = no ]; then
    exec 9> "$state/servers.lock"
    flock --wait 120 9 || die "another script holds $state/servers.lock"
    servers_lock_held=yes
  fi
  "$@" 9>&- || status=$?
  exec 9>&-
  servers_lock_held=no
  return "$status"
}

make_postgres_directories() {
  local directory
  case $pg_home$pg_sockets in
    *"$short_home"/*) own_directory "$short_home" 711 ;;
  esac
  for directory in "$pg_home" "$pg_sockets"; do
    if [ "$(id -u)" = 0 ]; then
      install -d -o postgres -g postgres -m 700 -- "$directory" || die "cannot make $directory"
    else
      own_directory "$directory" 700
    fi
  done
}

start_both() {  # [SETTING...]
  if [ -z "${DATABASE_URL-}" ]; then
    make_postgres_directories
    start_postgres "$@"
    [ -n "$(ask_postgres -d postgres -c "select 1 from pg_database where datname = 'coffer'")" ] ||
      ask_postgres -d postgres -c 'create database coffer' || die 'cannot make the database'
    DATABASE_URL="postgresql://coffer@/coffer?host=$(percent_encode "$pg_sockets")&port=5432"
  fi
  if [ -z "${REDIS_URL-}" ]; then
    own_directory "$redis_home" 700
    [ "$redis_socket" = "$redis_home/redis.sock" ] || own_directory "$short_home" 711
    start_redis
    REDIS_URL="unix://$(percent_encode "$redis_socket")"
  fi
}

# Starts whichever of the two servers the environment does not name already, and exports DATABASE_URL and REDIS_URL.
# Each SETTING is a line of PostgreSQL's configuration.
servers_start() {  # STATE [SETTING...]
  local state=$1
  shift
  mkdir -p -- "$state"
  state=$(cd -- "$state" && pwd -P)
  if [ -z "${DATABASE_URL-}" ] && [ -n "${DATABASE_URL_FILE-}" ]; then DATABASE_URL=$(cat -- "$DATABASE_URL_FILE"); fi
  if [ -z "${REDIS_URL-}" ] && [ -n "${REDIS_URL_FILE-}" ]; then REDIS_URL=$(cat -- "$REDIS_URL_FILE"); fi
  unset DATABASE_URL_FILE REDIS_URL_FILE
  if [ "$(id -u)" = 0 ]; then chmod a+x -- "$state"; fi
  locate "$state"
  with_servers_locked "$state" start_both "$@"
  export DATABASE_URL REDIS_URL
}

stop_both() {
  local status=0
  stop_redis || status=1
  stop_postgres || status=1
  return "$status"
}

# Stops what servers_start started, and what an earlier, killed run left behind.
servers_stop() {  # STATE
  local state
  [ -d "$1" ] || return 0
  state=$(cd -- "$1" && pwd -P)
  locate "$state"
  with_servers_locked "$state" stop_both
}

# Stops the servers and deletes their data.
servers_remove() {  # STATE
  [ -d "$1" ] || return 0
  servers_stop "$1" || return 1
  rm -rf -- "$pg_home" "$redis_home" "$short_home" "$1/servers.lock"
  rmdir --ignore-fail-on-non-empty -- "$pg_place" 2> /dev/null || true
}

# Which of the two servers run from a state directory, in words.
servers_running() {  # STATE
  local state found=''
  [ -d "$1" ] || return 0
  state=$(cd -- "$1" && pwd -P)
  locate "$state"
  [ -z "$(processes_in "$pg_data" postgres)" ] || found=PostgreSQL
  [ -z "$(processes_in "$redis_home" redis-server)" ] || found+="${found:+ and }Redis"
  printf '%s' "$found"
}
