"""The gate of every run: the books are right, and what the generator counted is what the journal grew by."""
import json
import os
import subprocess

COUNTERS = "sales_counters_are_journal_sum"


def growth(env, database):
    """Rows of the journal so far: completed and failed ones."""
    return env.ask_json("select count(*) filter (where status = 2) as completed,"
                        " count(*) filter (where status = 3) as failed from transactions", database=database)


def books(env, database, without_counters=False):
    """Violated rules, as text; an empty list is what a number needs."""
    done = subprocess.run([env.coffer, "verify", "--format", "json"], capture_output=True, text=True,
                          env={**os.environ, "DATABASE_URL": env.url(database)})
    if done.returncode not in (0, 1):
        raise RuntimeError(f"coffer verify: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    broken = {rule: found["violations"] for rule, found in report["rules"].items() if found["violations"]}
    if bool(broken) != (done.returncode == 1) or COUNTERS not in report["rules"]:
        return [f"coffer verify contradicts itself: exit status {done.returncode}, {broken}"]
    if without_counters:
        broken.pop(COUNTERS, None)
    return [f"{rule}: {number}" for rule, number in broken.items()]


def between(what, low, value, high):
    return [] if low <= value <= high else [f"{what}: {value}, not within {low} and {high}"]


def counted(run, result, grown, tables):
    """Compares a generator's count with the journal. Answers that were on their way when it stopped may be missing."""
    flight = result.get("unanswered", run.connections)
    if result.get("errors"):
        return [f"{result['errors']} requests without an answer"]
    if run.kind == "reads":
        return between("journal rows of a run that only reads", 0, sum(grown.values()), 0) + \
            between("refusals", 0, result["refused"], 0)
    if run.kind == "storm":
        return between("committed purchases", result["writes"], sum(grown.values()), result["writes"]) + \
            between("refusals", 0, result["refused"], 0)
    if run.kind == "mix":
        writes = tables.writes_among(run.table, result["sent"])
        return between("journal rows for the writes sent", writes - flight, sum(grown.values()), writes) + \
            between("refusals", 0, result["refused"], grown["failed"])
    refused = result.get("refused", 0)
    if run.kind != "overload":
        refused += result.get("overloaded", 0)
    refused += result.get("other", 0)
    found = between("committed rows for the 201s", result["count"], grown["completed"], result["count"] + flight)
    if run.kind in ("purchases", "overload"):
        found += between("refusals", 0, refused + grown["failed"], 0)
    elif run.kind == "limited":
        found += between("failed rows among the refusals", 0, grown["failed"], refused + flight)
    else:
        found += between("failed rows for the refusals", refused, grown["failed"], refused + flight)
    if run.exactly is not None:
        found += between("units sold of the stock", run.exactly, grown["completed"], run.exactly)
    return found
