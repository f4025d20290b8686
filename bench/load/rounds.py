"""Carries out runs in interleaved rounds, each behind the audit gate."""
import dataclasses
import statistics
import time

from load import audit, generators, measure
from load.contenders import KEPT

NUDGES = 16
# What fills the caches of a contender whose users or products are not those of the others.
OWN_TABLES = {"growth": "grown", "wide": "wide"}


class Rounds:
    """Results by run name: a list with one entry per round that passed its audit. `sides` are the contenders of this
    revision and, if it is compared with another one, of that; what the latter gave is in `before`."""

    def __init__(self, tables, sides, seconds, say=print):
        self.tables, self.sides, self.seconds, self.say = tables, sides, seconds, say
        self.env = sides[0].env
        self.results, self.before, self.failures, self.passed = {}, {}, [], 0
        self.warm = set()
        self.exact_syncs = seconds > 1  # otherwise not worth the second that it takes

    def median(self, name, key="per_second", before=False):
        """The median of what the runs of that name gave, or None. A CPU time has the name of its group as its key."""
        runs = (self.before if before else self.results).get(name, [])
        values = [run[key] for run in (run["cpu_us"] | run for run in runs) if run.get(key) is not None]
        return statistics.median(values) if values else None

    def peak(self, run):
        """What an open loop is a share of: the peak of the same server with 64 connections, or with any number."""
        wide = () if run.connections == 64 else ("s1_256",)
        return max(self.median(name, before=run.before) or 0 for name in ("s1_64", *wide))

    def run_all(self, runs, rounds):
        """Every other round runs backwards, so that a machine that grows slower or faster favours nobody."""
        if not runs:
            return
        for number in range(rounds):
            self.new_round()
            for run in runs:
                if run.contender in KEPT:
                    self.sides[run.before].database(run.contender)  # first: its load ends with a checkpoint
            self.warm = {warm for warm in self.warm if warm[0] in KEPT}
            self.warm_up(runs)
            for run in runs if number % 2 == 0 else reversed(runs):
                self.one(run, f"round {number + 1}")
                self.sides[run.before].release(run.contender)
        self.new_round()

    def new_round(self):
        for contenders in self.sides:
            contenders.new_round()

    def warm_up(self, runs):
        """An unmeasured second of purchases for each contender that writes: caches filled, first changes of pages
        logged. A kept database has many more pages."""
        for run in runs:
            if (run.contender, run.before) not in self.warm and run.kind not in ("reads", "storm"):
                self.warm.add((run.contender, run.before))
                table = {"table": OWN_TABLES.get(run.contender, "uniform")} if run.table else {}
                seconds = 1 if run.contender not in KEPT else 2 * self.seconds
                few = min(run.connections, 64)
                warming = dataclasses.replace(run, kind="purchases", rate=0, connections=few, **table)
                self.generate(warming, seconds)
                contenders = self.sides[run.before]
                self.env.settle(contenders.database(run.contender))
                self.flush_statistics(warming, contenders.up.get(run.contender), time.monotonic())
                contenders.release(run.contender)

    def generate(self, run, seconds):
        contenders = self.sides[run.before]
        database = contenders.database(run.contender)
        if run.script:
            sizes = self.env.sizes
            users = (sizes.hot_user, sizes.hot_user) if run.hot else (1, sizes.users)
            return generators.pgbench(self.env, database, run.script, run.connections, users, seconds)
        if run.driver:
            return generators.lane_driver(self.env, database, run.connections, seconds)
        target = contenders.target(run.contender)
        if run.contender == "told":
            return generators.told(target, lambda: self.generate_http(run, target, seconds), backlog=not run.rate)
        return self.generate_http(run, target, seconds)

    def generate_http(self, run, target, seconds):
        if run.rate:
            return generators.open_loop(self.env, target.port, self.tables.path(run.table), run.rate, run.connections,
                                        seconds)
        if run.contender == "popular":
            return generators.popular(self.env, target, 1 if seconds < 2 else 3 if seconds < 5 else 10)
        if run.kind == "storm":
            return generators.miss_storm(target, self.tables.path(run.table), run.connections, seconds)
        return generators.wrk(target, self.tables.path(run.table), run.connections, seconds, run.kind == "mix")

    def one(self, run, label):
        target = self.sides[run.before].target(run.contender)
        database = self.sides[run.before].database(run.contender)
        title = run.name + (" before" if run.before else "")
        before = audit.growth(self.env, database) if database else None
        if run.contender in (*KEPT, "popular"):
            self.env.prewarm(database)
        if run.prime:
            self.generate(run, 1)
        probe = measure.Probe(self.env, target, database)
        result, generator_cpu = self.generate(run, self.seconds)
        probe.stop()
        stopped = time.monotonic()
        problems = self.check(run, result, before, database, target) if database else \
            audit.between("refusals", 0, result["refused"] + result["errors"], 0)
        if problems or not result["count"]:
            self.failures.append({"run": title, "round": label, "problems": problems or ["nothing was done"]})
            self.say(f"{label}  {title:21} FAILED ITS AUDIT: {'; '.join(self.failures[-1]['problems'])}")
            return
        nudges = self.flush_statistics(run, target, stopped)
        answers = result.get("answers", result["count"])
        writes = run.kind not in ("reads", "storm")
        result |= probe.results(answers, generator_cpu, writes)
        if run.kind == "storm":
            loads = sum(probe.grown(f'coffer_cache_fills_total{{result="{what}"}}')
                        for what in ("stored", "refused", "failed"))
            result["loads_per_write"] = round(loads / max(1, result["writes"]), 2)
        if writes and result["wal_syncs"] > nudges and (self.exact_syncs or run.script):
            result["wal_syncs"] -= nudges
            written = self.tables.writes_among(run.table, result["sent"]) if run.kind == "mix" else answers
            result["per_sync"] = round(written / result["wal_syncs"], 1)
        self.passed += 1
        (self.before if run.before else self.results).setdefault(run.name, []).append(result)
        self.say(f"{label}  {title:21} {result['per_second']:9.0f}/s"
                 + (f"  disturbed: {result['elsewhere']:.0%} of the machine went elsewhere" if result["disturbed"] else ""))

    def check(self, run, result, before, database, target):
        self.env.settle(database)
        after = audit.growth(self.env, database)
        grown = {status: after[status] - before[status] for status in after}
        found = audit.counted(run, result, grown, self.tables)
        if run.contender == "told":
            sold, events = target.sold(), target.received()["events"]
            found += audit.between("events that the webhook was told of", sold, events, sold)
        # The books of the grown journal take a minute: not again after a run that wrote nothing.
        if run.kind == "reads" and run.contender in ("growth", "popular") and not found:
            return []
        return found + audit.books(self.sides[run.before].env, database, without_counters=run.contender == "b0")

    def flush_statistics(self, run, target, stopped):
        """A session reports its statistics at the end of a transaction, at most once a second: a few more purchases, a
        second later, bring in the tail. Gives the number of commits that this adds. pgbench's sessions have ended."""
        purchases = run.table and run.kind not in ("reads", "storm")
        if not self.exact_syncs or not purchases or not target or run.contender == "b5_lanes":
            return 0
        time.sleep(max(0.0, stopped + 1.1 - time.monotonic()))
        for member in target.members:
            for user in range(1, NUDGES + 1):
                member.post("/products/1/purchase", f'{{"user_id":{user}}}')
        return NUDGES * len(target.members)
