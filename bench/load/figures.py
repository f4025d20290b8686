"""The figures to reach, and the tables that compare them with what was measured."""

GROUPS = ("server", "database", "redis", "generator")

# Key, what it is, must, aim (None: shown only), whether more is better, unit.
FIGURES = (
    ("s1_b1", "S1 at 256 connections / B1 at its best", 2.8, 3.5, True, ""),
    ("s1_64_b0", "S1 at 64 connections / B0 at its best", 4, 6, True, ""),
    ("s2_b1_best", "S2 / B1 on the same hot wallet, each at its best", 12, 18, True, ""),
    ("s2_b1_at64", "S2 / B1 on the same hot wallet, both at 64", 28, 40, True, ""),
    ("s2_s1", "S2 / S1: contention costs nothing", 1.0, 1.3, True, ""),
    ("s3_s1", "S3 / S1", 0.95, 1.1, True, ""),
    ("s1_b5", "S1 / B5: what batching brings", 3, 6, True, ""),
    ("s1_b2", "S1 / B2: what HTTP leaves of the write path", 0.5, 0.65, True, ""),
    ("s1k_s1", "S1k / S1: a key of its own for each purchase", 0.85, 0.95, True, ""),
    ("s1w_s1", "S1w / S1: 1000 products, users who own 50", 0.8, 0.95, True, ""),
    ("s1r_s1", "S1r / S1: the database a millisecond away", 0.7, 0.9, True, ""),
    ("s1p_s1", "S1p / S1: two processes", 0.7, 0.9, True, ""),
    ("s2p_s2", "S2p / S2: one wallet through two processes", 0.4, 0.7, True, ""),
    ("growth", "S1 on the grown journal / S1 on a small one", 0.9, 0.97, True, ""),
    ("purchases_per_sync", "purchases per WAL flush at 256 connections", 60, 100, True, ""),
    ("database_before", "CPU of the database per purchase, S1 at 256 / the revision before", 0.7, 0.55, False, ""),
    ("livez_floor", "GET /livez / bare epoll", 0.85, 0.97, True, ""),
    ("inventory_livez", "inventory from the cache / GET /livez", 0.5, 0.7, True, ""),
    ("p99_70", "p99 at 70 % of the peak, open loop, 64 connections", 12, 6, False, "ms"),
    ("idle_before", "one request on an idle system, p50 / the revision before", 0.75, 0.6, False, ""),
    ("p50_idle", "one request on an idle system, p50", None, None, False, "ms"),
    ("overload_goodput", "goodput at twice the peak / the peak", 0.95, 1.0, True, ""),
    ("overload_p99", "p99 of what is accepted at twice the peak, from its schedule", 5000, 1000, False, "ms"),
    ("limits", "S1 with the limits / S1 without", None, None, True, ""),
    ("limits_and_keys", "S1 with a server key and the limits / S1 without either", None, None, True, ""),
    ("wire", "S1 through the proxy of S1r without its delay / S1: what the proxy costs", None, None, True, ""),
    ("told_p99", "p99 from an event to its receipt by a webhook, at 50 % of the peak", 250, 250, False, "ms"),
    ("told_rate", "events a second from a backlog to one webhook", 10000, 10000, True, ""),
    ("popular_ms", "popular products, uncached, on the grown journal", 5, 2, False, "ms"),
    ("audits_failed", "audits that failed", 0, 0, False, ""),
)


def reached(measured, wanted, more_is_better):
    return measured >= wanted if more_is_better else measured <= wanted


def verdict(measured, must, aim, more):
    if measured is None:
        return "not measured yet"
    if must is None:
        return ""
    return "aim" if reached(measured, aim, more) else "must" if reached(measured, must, more) else "**missed**"


def number(value, unit=""):
    return "" if value is None else f"{value:{'.0f' if value >= 1000 else '.3g'}} {unit}".strip()


def table(columns, rows):
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows))


def of_figures(record):
    values = record["ratios"] | {"audits_failed": record["audits_failed"]}
    rows = [(title, number(must, unit), number(aim, unit), number(values.get(key), unit),
             verdict(values.get(key), must, aim, more)) for key, title, must, aim, more, unit in FIGURES]
    return table(("figure", "must", "aim", "measured", "reached"), rows)


def of_runs(summary):
    columns = ("run", "median/s", "min", "max", *GROUPS, "per flush", "WAL bytes", "HOT", "disturbed")
    rows = []
    for name, row in summary.items():
        cpu = row["cpu_us"]
        rows.append((name, *(f"{row[key]:.0f}" for key in ("median", "minimum", "maximum")),
                     *(f"{cpu[group]:.1f}" if group in cpu else "" for group in GROUPS),
                     number(row.get("per_sync")), f"{row['wal_bytes']:.0f}" if "wal_bytes" in row else "",
                     f"{row['hot_share']:.2f}" if "hot_share" in row else "",
                     f"{row['disturbed']} of {row['runs']}" if row.get("disturbed") else ""))
    return table(columns, rows)


def versus(record):
    """A row for each run that both revisions made: name, both medians, their ratio with the lowest and highest of a
    round (an open loop has none: its rate is given), and of both the CPU time of server and database and the median
    latency."""
    rows = []
    for name, before in record["before"]["summary"].items():
        now = record["summary"].get(name)
        if now:
            rounds = [new["per_second"] / old["per_second"]
                      for new, old in zip(record["runs"][name], record["before"]["runs"][name])]
            ratio = (f"{now['median'] / before['median']:.3f}", f"{min(rounds):.3f} .. {max(rounds):.3f}")
            rows.append((name, f"{before['median']:.0f}", f"{now['median']:.0f}",
                         *(("", "") if "latency_ms" in now else ratio),
                         *(f"{row['cpu_us'][group]:.1f}" for group in ("server", "database") for row in (before, now)),
                         *(f"{row['p50_ms']:.2f}" if "p50_ms" in row else "" for row in (before, now))))
    return rows


VERSUS = ("run", "before/s", "now/s", "ratio", "of a round", "server", "now", "database", "now", "p50 ms", "now")


def markdown(record, pictures):
    """The table of figures, the pictures, the table of the runs, and the one against another revision."""
    machine = record["machine"]
    disturbed = len(record["disturbed"])
    parts = [of_figures(record), pictures,
             f"{machine['cores']} cores, PostgreSQL {machine['postgres'] // 10000}, fdatasync of 8 kB "
             f"{machine['fdatasync_us']:.0f} us; {record['rounds']} rounds of {record['seconds']} s, "
             f"{record['users']} users, {record['grown_rows']} rows in the grown journal; {record['audits_passed']} "
             f"audits passed{f'; {disturbed} runs were disturbed' if disturbed else ''}."]
    if "before" in record:
        parts += [f"Against {record['before']['revision']}, in CPU microseconds per request:",
                  table(VERSUS, versus(record))]
    parts += ["<details><summary>All runs; server to generator are CPU microseconds per request</summary>",
              of_runs(record["summary"]), "</details>"]
    return "\n\n".join(parts) + "\n"
