"""Carries out runs in interleaved rounds, each behind the audit gate."""
import dataclasses
import statistics
import time

from load import audit, generators, measure

NUDGES = 16


class Rounds:
    """Results by run name: a list with one entry per round that passed its audit."""

    def __init__(self, env, tables, contenders, seconds, say=print):
        self.env, self.tables, self.contenders, self.seconds, self.say = env, tables, contenders, seconds, say
        self.results, self.failures, self.passed = {}, [], 0
        self.warm = set()
        self.exact_syncs = seconds > 1  # otherwise not worth the second that it takes

    def median(self, name, key="per_second"):
        """The median of what the runs of that name gave, or None."""
        values = [run[key] for run in self.results.get(name, []) if run.get(key) is not None]
        return statistics.median(values) if values else None

    def run_all(self, runs, rounds):
        """Every other round runs backwards, so that a machine that grows slower or faster favours nobody."""
        if not runs:
            return
        for number in range(rounds):
            self.contenders.new_round()
            if any(run.contender == "growth" for run in runs):
                self.contenders.database("growth")  # first: its load ends with a checkpoint
            self.warm &= {"growth"}
            self.warm_up(runs)
            for run in runs if number % 2 == 0 else reversed(runs):
                self.one(run, f"round {number + 1}")
                self.contenders.release(run.contender)
        self.contenders.new_round()

    def warm_up(self, runs):
        """An unmeasured second of purchases for each contender that writes: caches filled, first changes of pages
        logged. The grown database has many more pages."""
        for run in runs:
            if run.contender not in self.warm and run.kind not in ("reads", "storm"):
                self.warm.add(run.contender)
                table = {"table": "grown" if run.contender == "growth" else "uniform"} if run.table else {}
                seconds = 1 if run.contender != "growth" else 2 * self.seconds
                few = min(run.connections, 64)
                warming = dataclasses.replace(run, kind="purchases", rate=0, connections=few, **table)
                self.generate(warming, seconds)
                self.env.settle(self.contenders.database(run.contender))
                self.flush_statistics(warming, self.contenders.up.get(run.contender), time.monotonic())
                self.contenders.release(run.contender)

    def generate(self, run, seconds):
        if run.script:
            sizes = self.env.sizes
            users = (sizes.hot_user, sizes.hot_user) if run.hot else (1, sizes.users)
            database = self.contenders.database(run.contender)
            return generators.pgbench(self.env, database, run.script, run.connections, users, seconds)
        if run.driver:
            database = self.contenders.database(run.contender)
            return generators.lane_driver(self.env, database, run.connections, seconds)
        target = self.contenders.target(run.contender)
        if run.rate:
            return generators.open_loop(self.env, target.port, self.tables.path(run.table), run.rate, run.connections,
                                        seconds)
        if run.contender == "popular":
            return generators.popular(self.env, target, 1 if seconds < 2 else 3 if seconds < 5 else 10)
        if run.kind == "storm":
            return generators.miss_storm(target, self.tables.path(run.table), run.connections, seconds)
        return generators.wrk(target, self.tables.path(run.table), run.connections, seconds, run.kind == "mix")

    def one(self, run, label):
        target = self.contenders.target(run.contender)
        database = self.contenders.database(run.contender)
        before = audit.growth(self.env, database) if database else None
        if run.contender in ("growth", "popular"):
            self.env.prewarm(database)
        if run.prime:
            self.generate(run, 1)
        probe = measure.Probe(self.env, target, database)
        result, generator_cpu = self.generate(run, self.seconds)
        probe.stop()
        stopped = time.monotonic()
        problems = self.check(run, result, before, database) if database else \
            audit.between("refusals", 0, result["refused"] + result["errors"], 0)
        if problems or not result["count"]:
            self.failures.append({"run": run.name, "round": label, "problems": problems or ["nothing was done"]})
            self.say(f"{label}  {run.name:14} FAILED ITS AUDIT: {'; '.join(self.failures[-1]['problems'])}")
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
        self.results.setdefault(run.name, []).append(result)
        self.say(f"{label}  {run.name:14} {result['per_second']:9.0f}/s")

    def check(self, run, result, before, database):
        self.env.settle(database)
        after = audit.growth(self.env, database)
        grown = {status: after[status] - before[status] for status in after}
        found = audit.counted(run, result, grown, self.tables)
        # The books of the grown journal take a minute: not again after a run that wrote nothing.
        if run.kind == "reads" and database == self.contenders.databases.get("growth") and not found:
            return []
        return found + audit.books(self.env, database, without_counters=run.contender == "b0")

    def flush_statistics(self, run, target, stopped):
        """A session reports its statistics at the end of a transaction, at most once a second: a few more purchases, a
        second later, bring in the tail. Gives the number of commits that this adds. pgbench's sessions have ended."""
        purchases = run.table and run.kind not in ("reads", "storm")
        if not self.exact_syncs or not purchases or run.contender not in ("coffer", "unguarded", "guarded", "growth", "b5"):
            return 0
        time.sleep(max(0.0, stopped + 1.1 - time.monotonic()))
        for user in range(1, NUDGES + 1):
            target.post("/products/1/purchase", f'{{"user_id":{user}}}')
        return NUDGES
