"""Medians, the table on the terminal, and latest.json."""
import json
import os
import statistics

from load import figures, plots


def summary(results):
    """Median, minimum and maximum of the rates by run, and the medians of what the runs cost."""
    found = {}
    for name, runs in results.items():
        rates = [run["per_second"] for run in runs]
        found[name] = {"median": statistics.median(rates), "minimum": min(rates), "maximum": max(rates),
                       "runs": len(rates)}
        found[name]["disturbed"] = sum(run["disturbed"] for run in runs)
        for key in ("per_sync", "wal_bytes", "hot_share", "p50_ms", "p99_ms", "elsewhere", "rss_mb"):
            values = [run[key] for run in runs if run.get(key) is not None]
            if values:
                found[name][key] = statistics.median(values)
        if "unsent" in runs[0]:
            found[name]["latency_ms"] = {key: statistics.median(run[key + "_ms"] for run in runs)
                                         for key in ("p50", "p90", "p99", "p999", "max", "p50_sent", "p99_sent")}
            found[name]["answers"] = {key: sum(run[key] for run in runs) for key in
                                      ("planned", "sent", "count", "overloaded", "unsent", "unanswered")}
        groups = runs[0].get("cpu_us", {})
        found[name]["cpu_us"] = {group: statistics.median(run["cpu_us"][group] for run in runs) for group in groups}
    return found


def cell(value, width, digits=0):
    return f"{'' if value is None else format(value, f'.{digits}f'):>{width}}"


def print_table(found, say=print):
    say(f"\n{'run':18}{'median/s':>10}{'min':>9}{'max':>9} | CPU us{'server':>8}{'database':>9}{'redis':>7}"
        f"{'generator':>10} |{'per sync':>9}{'WAL B':>8}{'HOT':>6}{'elsewhere':>10}")
    for name, row in found.items():
        cpu = row["cpu_us"]
        say(f"{name:18}{cell(row['median'], 10)}{cell(row['minimum'], 9)}{cell(row['maximum'], 9)} |       "
            f"{cell(cpu.get('server'), 8, 1)}{cell(cpu.get('database'), 9, 1)}{cell(cpu.get('redis'), 7, 1)}"
            f"{cell(cpu.get('generator'), 10, 1)} |{cell(row.get('per_sync'), 9, 1)}{cell(row.get('wal_bytes'), 8)}"
            f"{cell(row.get('hot_share'), 6, 2)}{row.get('elsewhere', 0):>10.0%}")
    for name, row in found.items():
        if "latency_ms" in row:
            say(f"{name:18}" + "  ".join(f"{key} {value:.2f}" for key, value in row["latency_ms"].items()) + " ms  | "
                + "  ".join(f"{key} {value}" for key, value in row["answers"].items()))


def print_versus(record, say=print):
    say(f"\nbefore: {record['before']['revision']}; server and database in CPU us per request")
    rows = [figures.VERSUS, *figures.versus(record)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for name, *cells in rows:
        say("  ".join([f"{name:{widths[0]}}", *(f"{text:>{width}}" for text, width in zip(cells, widths[1:]))]))


def disturbed(results):
    """Runs during which something else took too much of the machine: their numbers say little."""
    return [f"{name}, round {i + 1}" for name, runs in results.items() for i, run in enumerate(runs)
            if run["disturbed"]]


def write(path, env, how, rounds, ratios, before=None):
    """The whole record of a benchmark; `how` says what was asked for, `before` which revision it was compared with."""
    found = summary(rounds.results)
    record = {
        "ratios": ratios,
        "audits_failed": len(rounds.failures),
        "audits_passed": rounds.passed,
        "failures": rounds.failures,
        "disturbed": disturbed(rounds.results) + [f"{name} before" for name in disturbed(rounds.before)],
        **how,
        "machine": {"cores": os.cpu_count(), "fdatasync_us": env.disk_flush_us(), "postgres": env.version,
                    "note": "one machine, loopback, the load generators share its cores"},
        "summary": found,
        "runs": rounds.results,
    }
    if before:
        record["before"] = {"revision": before, "summary": summary(rounds.before), "runs": rounds.before}
    path.write_text(json.dumps(record, indent=1) + "\n")
    return record


def publish(readme, record):
    """Puts tables and plots of a record into the README, between its two marks, and the plots beside it."""
    begin, end = "<!-- measured -->\n", "<!-- end -->"
    before, _, rest = readme.read_text().partition(begin)
    _, _, after = rest.partition(end)
    names = plots.write(readme.parent / "plots", record["summary"])
    pictures = "\n".join(f"![{name}](plots/{name}.svg)" for name in names)
    readme.write_text(f"{before}{begin}{figures.markdown(record, pictures)}{end}{after}")
