"""Command line of the load scenarios; script/bench starts the servers and calls it."""
import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

from load import environment, plots, ratios, report, scenarios, smoke
from load.contenders import Contenders
from load.rounds import Rounds
from load.tables import Tables

# Options of a build that decide how fast the server is.
DECISIVE = ("buildtype", "optimization", "debug", "hardening", "b_lto", "b_ndebug", "b_pie", "b_sanitize", "cpp_args",
            "cpp_link_args")


def parse():
    options = argparse.ArgumentParser(prog="load")
    for name in ("--build", "--pg-bin", "--state", "--out"):
        options.add_argument(name, required=True, type=pathlib.Path)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--smoke", action="store_true")
    options.add_argument("--publish", type=pathlib.Path)
    options.add_argument("--revision", default="")
    options.add_argument("--before", default="", help="the revision to compare with, in words")
    options.add_argument("--before-build", type=pathlib.Path)
    options.add_argument("--grown-users", type=int)
    options.add_argument("--rounds", type=int)
    options.add_argument("--seconds", type=int)
    options.add_argument("scenarios", nargs="*")
    return options.parse_args()


def say(text):
    print(text, flush=True)


def choose(options):
    """Sizes, and what the report says was asked for."""
    if options.smoke:
        sizes, rounds, seconds, table = environment.SMOKE, 1, 1, 4096
    elif options.quick:
        sizes, rounds, seconds, table = environment.QUICK, 1, 2, 32768
    else:
        sizes, rounds, seconds, table = environment.FULL, 5, 8, 131072
    if options.grown_users:
        sizes = dataclasses.replace(sizes, grown_users=options.grown_users)
    if options.before:
        rounds += rounds % 2  # so that each of the two goes first as often
    known = list(scenarios.catalogue(sizes))
    wanted = options.scenarios or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"unknown scenario {unknown[0]}; there are: {' '.join(known)}")
    return sizes, table, {"revision": options.revision, "scenarios": wanted, "quick": options.quick,
                          "load_at_start": os.getloadavg()[0], "rounds": options.rounds or rounds,
                          "seconds": options.seconds or seconds, "users": sizes.users,
                          "grown_rows": sizes.grown_users * sizes.grown_rows}


def built_how(build):
    done = subprocess.run(["meson", "introspect", "--buildoptions", build], capture_output=True, text=True, check=True)
    return {option["name"]: option["value"] for option in json.loads(done.stdout) if option["name"] in DECISIVE}


def contenders_before(env, options):
    """Those of the revision to compare with. Both must be built alike."""
    ours, theirs = built_how(options.build), built_how(options.before_build)
    for name, value in ours.items():
        if theirs.get(name, value) != value:
            sys.exit(f"{options.build} has {name}={value} and {options.before_build} {theirs[name]}: they must be the "
                     "same; see meson configure")
    other = env.beside(options.before_build)
    try:
        other.make_template()
    except RuntimeError as failure:
        sys.exit(f"bench/load/sql does not suit the schema of {options.before}, as it must: {failure}")
    return Contenders(other, say)


def measure(rounds, runs, number):
    """Closed loops first: the open ones take their rates from them."""
    rounds.run_all([run for run in runs if not run.open], number)
    rounds.run_all(scenarios.at_rates(runs, rounds.peak), number)


def main():
    options = parse()
    sizes, table_length, how = choose(options)
    env = environment.Environment(options.build, options.pg_bin, options.state, sizes)
    env.make_template()
    tables = Tables(sizes, env.state, table_length)
    if options.smoke:
        options.before, options.before_build = "this revision again", options.build
    sides = [Contenders(env, say)]
    runs = scenarios.plan(how["scenarios"], sizes)
    if options.before:
        sides.append(contenders_before(env, options))
        runs = scenarios.beside(runs, alone=bool(options.scenarios))
    rounds = Rounds(tables, sides, how["seconds"], say)
    try:
        if options.smoke:
            return smoke.main(env, how, sides[0], tables, rounds, say)
        measure(rounds, runs, how["rounds"])
    finally:
        for contenders in sides:
            contenders.stop_all()
    record = report.write(options.out, env, how, rounds, ratios.ratios(rounds), options.before)
    report.print_table(record["summary"], say)
    if options.before:
        report.print_versus(record, say)
    say("")
    for name, value in record["ratios"].items():
        say(f"{name:18}{value:8.2f}")
    plots.write(options.out.parent, record["summary"])
    if options.publish:
        report.publish(options.publish, record)
    if options.quick:
        say(f"quick: short rounds; the grown journal has {how['grown_rows']} rows instead of 20000000")
    if record["disturbed"]:
        say(f"{len(record['disturbed'])} of {rounds.passed} runs shared the machine with something else (load average "
            f"{how['load_at_start']:.1f} before the first): measure again when it is quiet")
    say(f"audits: {rounds.passed} passed, {len(rounds.failures)} failed. {os.path.relpath(options.out)} is written")
    return 1 if rounds.failures else 0


sys.exit(main())
