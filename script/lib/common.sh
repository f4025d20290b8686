# shellcheck shell=bash
# What every script here shares. Sourced, never run.

set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly root
program=script/$(basename -- "$0")

# How build/ and build-tsan/ are configured. In CI a warning is an error, so that one build of each compiler serves the
# tests and the lint.
release_options=(-Dbuildtype=release)
# Line numbers for the reports, and no more debug information than that: it takes longer to write than the code. What
# hardening guards against, a sanitizer reports. A report ends the program, which is less to compile than going on.
sanitizer_options=(-Doptimization=1 -Ddebug=false -Dhardening=false '-Dcpp_args=-g1 -fno-sanitize-recover=all'
  -Db_lundef=false)
tsan_options=("${sanitizer_options[@]}" -Db_sanitize=thread)
if [ "${CI-}" = true ]; then release_options+=(-Dwerror=true) tsan_options+=(-Dwerror=true); fi

say() { printf '%s: %s\n' "$program" "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# The comment block at the top of the calling script is its help.
print_help() { awk 'NR == 1 { next } !/^#/ || /^# shellcheck / { exit } { sub(/^# ?/, ""); print }' "$0"; }

# Runs a command and shows what it printed only when it fails.
quietly() {
  local output status=0
  output=$("$@" 2>&1) || status=$?
  [ "$status" = 0 ] || printf '%s\n' "$output" >&2
  return "$status"
}

# configure_and_build DIRECTORY [MESON OPTION...] [-- TARGET...]: sets the build directory up if it is not there yet
# and builds in it, on a terminal with ninja's one line of progress. Locked, because ninja does not protect itself from a
# second one in the same directory.
configure_and_build() {
  local directory=$1 options=() lock quiet=(--quiet)
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  [ $# = 0 ] || shift
  mkdir -p "$directory"
  exec {lock}> "$directory/.script-lock"
  flock "$lock"
  if [ ! -f "$directory/build.ninja" ]; then
    quietly meson setup "$directory" "$root" "${options[@]}" || {
      rm -rf "$directory/meson-info" "$directory/meson-private"
      die "meson could not configure $directory"
    }
  fi
  if [ -t 2 ]; then quiet=(); fi
  ninja "${quiet[@]}" -C "$directory" "$@" >&2 || die "the build in $directory failed"
  exec {lock}>&-
}
