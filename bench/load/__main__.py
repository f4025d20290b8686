"""Command line of the load scenarios; script/bench starts the servers and calls it."""
import argparse
import os
import pathlib
import sys

from load import environment, ratios, report, scenarios
from load.contenders import Contenders
from load.rounds import Rounds
from load.tables import Tables


def parse():
    options = argparse.ArgumentParser(prog="load")
    for name in ("--build", "--pg-bin", "--state", "--out"):
        options.add_argument(name, required=True, type=pathlib.Path)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--rounds", type=int)
    options.add_argument("--seconds", type=int)
    options.add_argument("scenarios", nargs="*")
    return options.parse_args()


def main():
    options = parse()
    sizes = environment.QUICK if options.quick else environment.FULL
    known = list(scenarios.catalogue(sizes))
    wanted = options.scenarios or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"unknown scenario {unknown[0]}; there are: {' '.join(known)}")
    how = {"scenarios": wanted, "quick": options.quick, "rounds": options.rounds or (1 if options.quick else 5),
           "seconds": options.seconds or (2 if options.quick else 8), "users": sizes.users}
    env = environment.Environment(options.build, options.pg_bin, options.state, sizes)
    env.make_template()
    tables = Tables(sizes, env.state, 32768 if options.quick else 131072)
    contenders = Contenders(env)
    rounds = Rounds(env, tables, contenders, how["seconds"])
    try:
        runs = scenarios.plan(wanted, sizes)
        rounds.run_all([run for run in runs if not run.open], how["rounds"])
        at_64 = rounds.median("s1_64")
        peak = max(filter(None, (at_64, rounds.median("s1_256"))), default=None)
        rounds.run_all(scenarios.at_rates(runs, at_64, peak), how["rounds"])
    finally:
        contenders.stop_all()
    record = report.write(options.out, env, how, rounds, ratios.ratios(rounds))
    report.print_table(record["summary"])
    print()
    for name, value in record["ratios"].items():
        print(f"{name:14}{value:8.2f}")
    print(f"audits: {rounds.passed} passed, {len(rounds.failures)} failed. {os.path.relpath(options.out)} is written")
    return 1 if rounds.failures else 0


sys.exit(main())
