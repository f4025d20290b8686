"""The suite "faults": every fault under load, and every mutant of the history checker. Called by script/faults."""
import argparse
import os
import random
import sys
import tempfile
import time
import traceback

from faults import (injections, injections_commits, injections_redis, injections_timed,  # they fill CATALOGUE
                    injections_webhooks, injections_writers, mutants)
from faults.catalogue import CATALOGUE
from faults.run import Run
from faults.servers import Place

PART = ("none", "commits-unanswered", "repeated-users-cut", "connections-killed", "killed", "database-restarted",
        "redis-garbage", "redis-hung", "sigterm", "balances-corrected", "catalogue-changed", "two-servers")
MUTANTS_OF_PART = 10  # drawn by the seed


def parse():
    options = argparse.ArgumentParser(prog="faults", description=__doc__)
    options.add_argument("--binary", required=True, help="the built server")
    options.add_argument("--pg-bin", required=True, help="PostgreSQL's programs")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31), help="repeats a run")
    options.add_argument("--threads", type=int, help="of every server; without it one and two in turns")
    options.add_argument("--kills", type=int, default=100, help="kill -9 in a row")
    options.add_argument("--part", action="store_true", help="a selection that takes about two minutes")
    options.add_argument("--only", action="append", help="a fault, or an invariant's mutant; may be repeated")
    chosen = options.parse_args()
    known = [*CATALOGUE, *(m.caught_by for m in mutants.MUTANTS)]
    for name in chosen.only or ():
        if name not in known:
            options.error(f"unknown fault {name}; there are: {' '.join(known)}")
    return chosen


class Suite:
    """Carries out cases, and tells script/faults of them as Catch2 programs do."""

    def __init__(self, options):
        self.options, self.failed = options, 0
        self.report = os.environ.get("COFFER_TEST_REPORT", os.devnull)
        self.seed = options.seed

    def tell(self, event, name):
        with open(self.report, "a", encoding="utf-8") as out:
            print(event, name, file=out)

    def case(self, name, judge, place, **how):
        """`judge` gives what is wrong, as text; empty: nothing."""
        self.tell("start", name)
        began = time.monotonic()
        try:
            place.heal()
            run = Run(place, self.seed, kills=self.options.kills, **how)
            try:
                wrong, seen = judge(run)
            finally:
                run.close()
        except Exception:  # pylint: disable=broad-exception-caught
            wrong, seen = traceback.format_exc(), ""
        self.tell("failed" if wrong else "passed", name)
        self.failed += bool(wrong)
        print(f"{'FAILED' if wrong else 'passed'}: {name} ({time.monotonic() - began:.0f} s) {seen}", flush=True)
        if wrong:
            print(f"{wrong}\nagain: script/faults --seed {self.seed} --only {name.partition(':')[0]}", flush=True)

    def hurt(self, fault, place):
        def judge(run):
            verdict = run.carry_out(fault.inject, needs=fault.needs, all_answered=fault.all_answered,
                                    recovers_within=fault.recovers_within)
            return ("" if verdict.right else str(verdict)), verdict.seen
        self.case(fault.name, judge, place, threads=self.threads(list(CATALOGUE).index(fault.name)), **fault.world)

    def threads(self, number):
        """Of the server of a case: as asked for, or one and two in turns, so that both are hurt."""
        return self.options.threads or 1 + number % 2

    def mutate(self, mutant, place):
        def judge(run):
            for statement in mutant.setup:
                run.database.ask(statement)
            verdict = run.carry_out(mutants.midway(mutant))
            return ("" if mutant.caught_by in verdict.violations else f"not caught; found:\n{verdict}"), \
                sorted(verdict.violations)
        self.case(f"{mutant.caught_by}: {mutant.what} is caught", judge, place,
                  threads=self.threads(mutants.MUTANTS.index(mutant)), **mutant.fault.world)

    def run(self):
        wanted = self.options.only or (PART if self.options.part else list(CATALOGUE))
        faults = [CATALOGUE[name] for name in wanted if name in CATALOGUE]
        found = [m for m in mutants.MUTANTS if not self.options.only or m.caught_by in self.options.only]
        if self.options.part and not self.options.only:
            draw = random.Random(f"{self.seed}/mutants")
            found = draw.sample([m for m in found if not m.fault.failover], MUTANTS_OF_PART)
        self.together([f for f in faults if not f.failover], [m for m in found if not m.fault.failover])
        for fault in faults:
            if fault.failover:
                self.together([fault], [])  # the cluster does not outlive it
        for mutant in found:
            if mutant.fault.failover:
                self.together([], [mutant])

    def together(self, faults, wrong_servers):
        """On one cluster."""
        if not faults and not wrong_servers:
            return
        scratch = tempfile.mkdtemp(prefix="faults.")
        os.chmod(scratch, 0o711)
        place = Place(scratch, self.options.pg_bin, self.options.binary)
        try:
            for fault in faults:
                self.hurt(fault, place)
            for mutant in wrong_servers:
                self.mutate(mutant, place)
        finally:
            place.close()


def main():
    options = parse()
    print(f"seed {options.seed}", flush=True)
    suite = Suite(options)
    suite.run()
    return 1 if suite.failed else 0


sys.exit(main())
