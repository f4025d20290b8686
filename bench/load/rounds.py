"""Carries out runs in interleaved rounds, each behind the audit gate."""
import time

from load import audit, generators, measure

NUDGES = 16


class Rounds:
    """Results by run name: a list with one entry per round that passed its audit."""

    def __init__(self, env, tables, contenders, seconds, say=print):
        self.env, self.tables, self.contenders, self.seconds, self.say = env, tables, contenders, seconds, say
        self.results, self.failures, self.passed = {}, [], 0

    def run_all(self, runs, rounds):
        """Every other round runs backwards, so that a machine that grows slower or faster favours nobody."""
        for number in range(rounds):
            self.contenders.new_round()
            self.warm_up(runs)
            for run in runs if number % 2 == 0 else reversed(runs):
                self.one(run, f"round {number + 1}")
                self.contenders.release(run.contender)
        self.contenders.new_round()

    def warm_up(self, runs):
        """One unmeasured second for each contender: caches filled, full-page images written."""
        seen = set()
        for run in runs:
            if run.contender not in seen and run.kind != "reads":
                seen.add(run.contender)
                self.generate(run, 1)
                self.env.settle(self.contenders.database(run.contender))
                self.contenders.release(run.contender)

    def generate(self, run, seconds):
        if run.script:
            sizes = self.env.sizes
            users = (sizes.hot_user, sizes.hot_user) if run.hot else (1, sizes.users)
            database = self.contenders.database(run.contender)
            return generators.pgbench(self.env, database, run.script, run.connections, users, seconds)
        address = self.contenders.target(run.contender).address
        return generators.wrk(address, self.tables.path(run.table), run.connections, seconds, run.kind == "mix")

    def one(self, run, label):
        target = self.contenders.target(run.contender)
        database = self.contenders.database(run.contender)
        before = audit.growth(self.env, database) if database else None
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
        result |= probe.results(result["answers"] if "answers" in result else result["count"], generator_cpu,
                                run.kind != "reads")
        if nudges and result.get("wal_syncs"):
            result["wal_syncs"] = max(1, result["wal_syncs"] - nudges)
            result["per_sync"] = round(result["count"] / result["wal_syncs"], 1)
        self.passed += 1
        self.results.setdefault(run.name, []).append(result)
        self.say(f"{label}  {run.name:14} {result['per_second']:9.0f}/s")

    def check(self, run, result, before, database):
        self.env.settle(database)
        after = audit.growth(self.env, database)
        grown = {status: after[status] - before[status] for status in after}
        return audit.counted(run, result, grown, self.tables) + \
            audit.books(self.env, database, without_counters=run.contender == "b0")

    def flush_statistics(self, run, target, stopped):
        """A session reports its statistics at the end of a transaction, at most once a second: a few more purchases, a
        second later, bring in the tail. Gives the number of commits that this adds. pgbench's sessions have ended."""
        if not run.table or run.contender != "coffer" or run.kind == "reads":
            return 0
        time.sleep(max(0.0, stopped + 1.1 - time.monotonic()))
        for user in range(1, NUDGES + 1):
            target.post("/products/1/purchase", f'{{"user_id":{user}}}')
        return NUDGES
