"""Every kind of run once, tiny, to see that the benchmark itself works: the numbers mean nothing. Also proves that the
gate can refuse: books that were tampered with, and a generator that counts what is not in the journal. And that the
report has a row for each run."""
import dataclasses

from load import audit, figures, plots, ratios, report, scenarios

RUNS = ("s1_64", "s1k_64", "s1w_64", "s1r_64", "s1p_64", "s2p_64", "s6_256", "s7_256", "s8_64", "livez_64",
        "s9_hits_64", "s9_storm_64", "b0_4", "b1_4", "b1_hot_4", "b2_256", "b5_256", "unguarded_256", "guarded_256",
        "floor_64", "growth_256", "growth_history_64", "popular", "idle", "told_backlog_64", "told_50", "open_50",
        "overload")
COMPARED = ("s1_64",)  # also as the revision before

# The rule that must notice, and what it must notice.
TAMPER = {
    "balance_is_journal_sum": "update users set balance = balance + 1 where id = 1",
    "permanent_owned_once": "update products set type = 2 where id = 1;"
                            " update transactions set quantity = 2 where user_id = 1 and product_id = 1",
    "sales_counters_are_journal_sum": "update sales_counters set units = units - 1 where product_id = 1",
    "versions_dense": "update users set version = version + 1 where id = 1",
    "inventory_is_journal_sum": "delete from inventory where user_id = 1",
    "events_tile_versions": "update users set event_version = version + 1, event_stream = 1 where id = 1",
    "events_in_order": "insert into event_log (stream, position, created_at, events, users, first_versions, counts)"
                       " select n, 1, now(), 1, array[id], array[version + n - 2], array[1]"
                       " from users, generate_series(1, 2) n where id = 1;"
                       " update users set event_version = version, event_stream = 2 where id = 1",
    "event_positions_dense": "insert into event_log (stream, position, created_at, events, users, first_versions,"
                             " counts) values (1, 1, now(), 1, '{}', '{}', '{}')",
}


def runs(sizes):
    """The catalogue's runs of those names, with few connections."""
    all_runs = {run.name: run for run in scenarios.plan(scenarios.catalogue(sizes), sizes)}
    few = [dataclasses.replace(all_runs[name], connections=min(all_runs[name].connections, 16)) for name in RUNS]
    few += [dataclasses.replace(run, before=True) for run in few if run.name in COMPARED]
    return [run for run in few if not run.open], [run for run in few if run.open]


def gate_refuses(env, contenders, tables, say):
    """Number of checks of the gate that came out as they should, and of those that did not."""
    contenders.new_round()
    good = bad = 0

    def expect(what, refused):
        nonlocal good, bad
        good, bad = good + refused, bad + (not refused)
        say(f"the gate {'refuses' if refused else 'DOES NOT REFUSE'} {what}")

    for number, (rule, statement) in enumerate(TAMPER.items()):
        database = f"bench_tampered_{number}"
        env.clone(database)
        env.ask(statement, database=database)
        expect(f"books that break {rule}", any(line.startswith(rule) for line in audit.books(env, database)))
    run = scenarios.S1[0]
    for what, count, completed in (("a 201 without a row", 100, 99), ("a row nobody asked for", 100, 165)):
        counted = {"count": count, "errors": 0, "refused": 0}
        expect(what, bool(audit.counted(run, counted, {"completed": completed, "failed": 0}, tables)))
    return good, bad


def reported(env, how, rounds):
    record = report.write(env.state / "smoke.json", env, how, rounds, ratios.ratios(rounds), "this revision again")
    plots.write(env.state / "plots", record["summary"])
    text = figures.markdown(record, "")
    return all(text.count(f"\n| {name} |") == 1 + (name in rounds.before) for name in rounds.results)


def main(env, how, contenders, tables, rounds, say):
    """Prints the count of runs, audits and checks of gate and report; 0 when all passed."""
    closed, opened = runs(env.sizes)
    rounds.run_all(closed, 1)
    rounds.run_all(scenarios.at_rates(opened, lambda run: 400), 1)
    good, bad = gate_refuses(env, contenders, tables, say)
    if reported(env, how, rounds):
        good += 1
    else:
        bad += 1
        say("the report DOES NOT have a row for each run")
    # A run that failed its audit was a run all the same.
    passed = 2 * rounds.passed + len(rounds.failures) + good
    failed = len(rounds.failures) + bad
    say(f"{passed} passed, {failed} failed")
    return 1 if failed or rounds.passed < len(RUNS + COMPARED) else 0
