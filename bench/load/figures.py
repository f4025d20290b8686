"""The figures to reach, and the table that compares them with what was measured."""

GROUPS = ("server", "database", "redis", "generator")

# Key, what it is, must, aim (None: shown only), whether more is better, unit.
FIGURES = (
    ("s1_b1", "S1 at 256 connections / B1 at its best", 3, 5, True, ""),
    ("s1_64_b0", "S1 at 64 connections / B0 at its best", 4, 6, True, ""),
    ("s2_b1_best", "S2 / B1 on the same hot wallet, each at its best", 10, 15, True, ""),
    ("s2_b1_at64", "S2 / B1 on the same hot wallet, both at 64", 25, 40, True, ""),
    ("s2_s1", "S2 / S1: contention costs nothing", 1.0, 1.3, True, ""),
    ("s3_s1", "S3 / S1", 0.95, 1.1, True, ""),
    ("s1_b5", "S1 / B5: what batching brings", 3, 5, True, ""),
    ("s1_b2", "S1 / B2: what HTTP leaves of the write path", 0.5, 0.65, True, ""),
    ("growth", "S1 on the grown journal / S1 on a small one", 0.8, 0.95, True, ""),
    ("purchases_per_sync", "purchases per WAL flush at 256 connections", 40, 100, True, ""),
    ("livez_floor", "GET /livez / bare epoll", 0.85, 0.97, True, ""),
    ("inventory_livez", "inventory from the cache / GET /livez", 0.5, 0.7, True, ""),
    ("p99_70", "p99 at 70 % of the peak, open loop, 64 connections", 15, 8, False, "ms"),
    ("p50_idle", "one request on an idle system, p50", 1.0, 0.6, False, "ms"),
    ("overload_goodput", "goodput at twice the peak / the peak", 0.9, 1.0, True, ""),
    ("overload_p99", "p99 of what is accepted at twice the peak, from its schedule", 5000, 1000, False, "ms"),
    ("limits", "S1 with the limits / S1 without", None, None, True, ""),
    ("limits_and_keys", "S1 with a server key and the limits / S1 without either", None, None, True, ""),
    ("popular_ms", "popular products, uncached, on the grown journal", 10, 3, False, "ms"),
    ("audits_failed", "audits that failed", 0, 0, False, ""),
)


def reached(measured, wanted, more_is_better):
    return measured >= wanted if more_is_better else measured <= wanted


def verdict(measured, must, aim, more):
    if measured is None:
        return "not measured"
    if must is None:
        return ""
    return "aim" if reached(measured, aim, more) else "must" if reached(measured, must, more) else "**missed**"


def number(value, unit=""):
    return "" if value is None else f"{value:.3g} {unit}".strip()


def markdown(record):
    """The table of figures and the one of the runs."""
    values = record["ratios"] | {"audits_failed": record["audits_failed"]}
    lines = ["| figure | must | aim | measured | reached |", "|---|---|---|---|---|"]
    for key, title, must, aim, more, unit in FIGURES:
        measured = values.get(key)
        lines.append(f"| {title} | {number(must, unit)} | {number(aim, unit)} | {number(measured, unit)} "
                     f"| {verdict(measured, must, aim, more)} |")
    columns = ("run", "median/s", "min", "max", *GROUPS, "per flush", "WAL bytes", "HOT")
    lines += ["", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, row in record["summary"].items():
        cpu = row["cpu_us"]
        cells = [name, *(f"{row[key]:.0f}" for key in ("median", "minimum", "maximum")),
                 *(f"{cpu[group]:.1f}" if group in cpu else "" for group in GROUPS),
                 number(row.get("per_sync")), f"{row['wal_bytes']:.0f}" if "wal_bytes" in row else "",
                 f"{row['hot_share']:.2f}" if "hot_share" in row else ""]
        lines.append(f"| {' | '.join(cells)} |")
    machine = record["machine"]
    return "\n".join(lines) + (
        f"\n\n{machine['cores']} cores, PostgreSQL {machine['postgres'] // 10000}, fdatasync of 8 kB "
        f"{machine['fdatasync_us']:.0f} us; {record['rounds']} rounds of {record['seconds']} s, "
        f"{record['users']} users, "
        f"{record['grown_rows']} rows in the grown journal; {record['audits_passed']} audits passed. "
        "Server to generator are CPU microseconds per request.\n")
