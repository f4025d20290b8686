"""Command line of the load scenarios; script/bench starts the servers and calls it."""
import argparse
import dataclasses
import os
import pathlib
import sys

from load import environment, plots, ratios, report, scenarios, smoke
from load.contenders import Contenders
from load.rounds import Rounds
from load.tables import Tables


def parse():
    options = argparse.ArgumentParser(prog="load")
    for name in ("--build", "--pg-bin", "--state", "--out"):
        options.add_argument(name, required=True, type=pathlib.Path)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--smoke", action="store_true")
    options.add_argument("--publish", type=pathlib.Path)
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
    known = list(scenarios.catalogue(sizes))
    wanted = options.scenarios or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"unknown scenario {unknown[0]}; there are: {' '.join(known)}")
    return sizes, table, {"scenarios": wanted, "quick": options.quick, "rounds": options.rounds or rounds,
                          "seconds": options.seconds or seconds, "users": sizes.users,
                          "grown_rows": sizes.grown_users * sizes.grown_rows}


def measure(rounds, wanted, number):
    """Closed loops first: the open ones take their rates from them."""
    runs = scenarios.plan(wanted, rounds.env.sizes)
    rounds.run_all([run for run in runs if not run.open], number)
    at_64 = rounds.median("s1_64")
    peak = max(filter(None, (at_64, rounds.median("s1_256"))), default=None)
    rounds.run_all(scenarios.at_rates(runs, at_64, peak), number)


def main():
    options = parse()
    sizes, table_length, how = choose(options)
    env = environment.Environment(options.build, options.pg_bin, options.state, sizes)
    env.make_template()
    tables = Tables(sizes, env.state, table_length)
    contenders = Contenders(env, say)
    rounds = Rounds(env, tables, contenders, how["seconds"], say)
    try:
        if options.smoke:
            return smoke.main(env, contenders, tables, rounds, say)
        measure(rounds, how["scenarios"], how["rounds"])
    finally:
        contenders.stop_all()
    record = report.write(options.out, env, how, rounds, ratios.ratios(rounds))
    report.print_table(record["summary"], say)
    say("")
    for name, value in record["ratios"].items():
        say(f"{name:18}{value:8.2f}")
    plots.write(options.out.parent, record["summary"])
    if options.publish:
        report.publish(options.publish, record)
    if options.quick:
        say(f"quick: one short round; the grown journal has {how['grown_rows']} rows instead of 20000000")
    if record["disturbed"]:
        say(f"{len(record['disturbed'])} of {rounds.passed} runs shared the machine with something else: "
            "measure again when it is quiet")
    say(f"audits: {rounds.passed} passed, {len(rounds.failures)} failed. {os.path.relpath(options.out)} is written")
    return 1 if rounds.failures else 0


sys.exit(main())
