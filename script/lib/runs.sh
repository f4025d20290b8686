# shellcheck shell=bash
# What script/test, script/faults, script/fuzz and script/simulate share: a build of one kind, a scratch directory that
# leaves nothing running, and programs whose test cases are counted. Sourced, never run.
#
# A program of test cases appends a line per event to the file named by COFFER_TEST_REPORT: "start NAME", then
# "passed NAME", "failed NAME" or "skipped NAME". A program that dies so still tells what had run.

# shellcheck source=common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=servers.sh
. "$root/script/lib/servers.sh"

# choose_build release|asan|tsan: sets build, options, and slowness (how much longer than a release build tests may take).
# shellcheck disable=SC2034  # read by the scripts
choose_build() {
  case $1 in
    release) build=$root/build options=("${release_options[@]}") slowness=1 && return ;;
    # The suites and the fuzz targets share one build of the library.
    asan) build=$root/build-asan options=("${sanitizer_options[@]}" '-Db_sanitize=address,undefined' -Dfuzz=true) slowness=3 ;;
    # clang's, because that of g++ 12 cannot place its shadow memory under the address randomisation of new kernels.
    tsan) build=$root/build-tsan options=("${tsan_options[@]}") slowness=5 ;;
  esac
  "$root/script/setup" --clang
  export CC=clang-19 CXX=clang++-19
}

# A report without the names of functions is of little use; a symbolizer of another version finds none.
symbols=external_symbolizer_path=/usr/lib/llvm-19/bin/llvm-symbolizer
asan=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
export ASAN_OPTIONS=${ASAN_OPTIONS-$asan:$symbols}
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1:$symbols}
export TSAN_OPTIONS=${TSAN_OPTIONS-second_deadlock_stack=1:history_size=7:$symbols}

passed=0 failed=0 skipped=0 failures=()
declare -A running=()

# Everything of a run lies below one directory, and what still works there at the end is ended.
make_scratch() {
  scratch=$(mktemp -d "$(realpath -- "${TMPDIR:-/tmp}")/coffer-test.XXXXXX")
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  mkdir "$scratch/tmp"
  chmod 711 "$scratch" "$scratch/tmp"
}
clean_up() {
  local link name
  trap '' INT TERM HUP
  for name in "${!running[@]}"; do end_program "$name"; done
  for link in /proc/[0-9]*/cwd; do
    case $(readlink "$link" 2> /dev/null) in
      "$scratch"/tmp | "$scratch"/tmp/*) kill -KILL "$(basename "$(dirname "$link")")" 2> /dev/null || true ;;
    esac
  done
  servers_remove "$scratch" || true
  rm -rf -- "$scratch"
}
# A program leads a process group; the servers that it started and did not stop are in it.
end_program() {  # NAME
  kill -KILL -- "-${running[$1]}" 2> /dev/null || true
  unset "running[$1]"
}

# begin NAME SECONDS COMMAND...: starts a program of test cases, in a session of its own. To the kernel that is a group
# with a share of its own (sched(7), autogroup), whatever the nice value, so it is told.
begin() {
  local name=$1 limit=$2
  shift 2
  : > "$scratch/$name.report"
  COFFER_TEST_REPORT=$scratch/$name.report TMPDIR=$scratch/tmp \
    setsid bash -c '{ nice > /proc/self/autogroup; } 2> /dev/null; exec "$@"' - \
    timeout --kill-after=10 --foreground "$limit" "$@" < /dev/null >&2 &
  running[$name]=$!
}

# finish NAME [may-be-empty]: waits for it and counts.
finish() {
  local name=$1 report=$scratch/$1.report status=0 ok wrong left started case
  wait "${running[$name]}" || status=$?
  end_program "$name"
  if [ -f "$scratch/$name.output" ]; then cat -- "$scratch/$name.output" >&2; fi
  ok=$(count passed "$report") wrong=$(count failed "$report") left=$(count skipped "$report")
  started=$(count start "$report")
  while IFS= read -r case; do failures+=("$name: $case"); done < <(sed -n 's/^failed //p' "$report")
  # A test case that started and did not end, or a program that failed in none of its cases.
  if [ "$started" -gt $((ok + wrong + left)) ]; then
    wrong=$((wrong + 1))
    failures+=("$name: died (exit status $status) in: $(sed -n 's/^start //p' "$report" | tail -n 1)")
  elif [ "$status" != 0 ] && [ "$wrong" = 0 ] && { [ "$started" != 0 ] || [ -z "${2-}" ]; }; then
    wrong=1
    failures+=("$name: the program failed outside of its test cases (exit status $status)")
  fi
  say "$name: $ok passed, $wrong failed, $left skipped"
  passed=$((passed + ok)) failed=$((failed + wrong)) skipped=$((skipped + left))
}
count() { grep -c "^$1 " "$2" || true; }  # EVENT REPORT

# run NAME SECONDS COMMAND...
run() { begin "$@" && finish "$1"; }

# run_faults OPTION...: the suite of tests/faults.
run_faults() {
  local pg_bin
  pg_bin=$(find_postgres) || die 'no PostgreSQL server from version 15 on is installed: run script/setup'
  run faults $((1800 * slowness)) env PYTHONPATH="$root/tests" python3 -B -m faults --binary "$build/coffer" \
    --pg-bin "$pg_bin" "$@"
}

# The last line of each of the scripts, and its status.
tell_total() {
  if [ $((passed + failed)) = 0 ]; then
    failed=1
    failures+=('no test ran')
  fi
  local failure
  for failure in "${failures[@]}"; do say "FAILED $failure"; done
  printf '%d passed, %d failed' "$passed" "$failed"
  if [ "$skipped" -gt 0 ]; then printf ', %d skipped' "$skipped"; fi
  printf '\n'
  [ "$failed" = 0 ]
}
