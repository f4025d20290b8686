"""Runs wrk and pgbench in interleaved rounds against one database and writes the medians and their ratios."""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

here = pathlib.Path(__file__).parent
database = os.environ["DATABASE_URL"]
address = "127.0.0.1:18480"
users = 100_000
funds = 1_000_000_000


def parse():
    options = argparse.ArgumentParser()
    for name in ("--psql", "--pgbench", "--coffer", "--out"):
        options.add_argument(name, required=True)
    options.add_argument("--quick", action="store_true")
    options.add_argument("scenarios", nargs="*", default=[])
    return options.parse_args()


def psql(*arguments):
    command = [options.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def prepare():
    """Users with funds, deposited through the journal so that the books balance."""
    psql("-c", f"""
        insert into users (id, username, email, balance, version)
          select n, 'bench' || n, 'bench' || n || '@example.com', {funds}, 1 from generate_series(1, {users}) n;
        insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, request_id)
          select n, 1, 1, 2, 0, {funds}, {funds}, 'bench' from generate_series(1, {users}) n;
        select setval('user_ids', {users});
        insert into products (id, name, price, type) values (nextval('product_ids'), 'bench', 1, 1);""")
    psql("-f", str(here / "baseline_one_call.sql"))
    psql("-c", "vacuum analyze", "-c", "checkpoint")


def audit():
    """Violated rules of the books; an empty list is what a number needs."""
    lines = psql("-f", str(here / "audit.sql")).splitlines()
    return [line for line in lines if line and not line.endswith("|0")]


def wrk(connections, first, last, seconds):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(here / "purchase.lua"),
               f"http://{address}", "--", "1", str(first), str(last)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    result = json.loads(next(line for line in lines if line.startswith("{")))
    if result["created"] == 0 or result["other"] or result["errors"]:
        raise SystemExit(f"not every purchase was a 201: {result}")
    return result


def pgbench(clients, first, last, seconds):
    script = str(here / "baseline_one_call.pgbench")
    command = [options.pgbench, "-n", "-M", "prepared", f"-c{clients}", f"-j{min(clients, 2)}", f"-T{seconds}",
                        "-D", f"first={first}", "-D", f"last={last}", "-D", "product=1", "-f", script, database]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = next(line for line in text.splitlines() if line.startswith("tps = "))
    return {"per_second": float(rate.split()[2])}


def serve():
    process = subprocess.Popen([options.coffer, "serve", "--listen", address, "--admin-listen", "none", "--log-level",
                                "warn"])
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://{address}/readyz", timeout=1)
            return process
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server is not ready")


def plan(wanted):
    """Name, and what it runs with a duration."""
    runs = []
    if "s1" in wanted:
        runs += [("s1_64", lambda s: wrk(64, 1, users, s)), ("s1_256", lambda s: wrk(256, 1, users, s))]
        runs += [(f"b1_{c}", lambda s, c=c: pgbench(c, 1, users, s)) for c in (8, 16, 32, 64)]
    if "s2" in wanted:
        runs += [("s2_64", lambda s: wrk(64, 7, 7, s))]
        runs += [(f"b1_hot_{c}", lambda s, c=c: pgbench(c, 7, 7, s)) for c in (4, 64)]
    return runs


def ratios(median):
    found = {}
    best = max((median[n] for n in median if n.startswith("b1_") and not n.startswith("b1_hot")), default=None)
    hot = max((median[n] for n in median if n.startswith("b1_hot")), default=None)
    if best:
        found["s1_b1"] = median["s1_256"] / best
    if hot:
        found["s2_b1_best"] = median["s2_64"] / hot
        found["s2_b1_at64"] = median["s2_64"] / median["b1_hot_64"]
    if "s1_64" in median and "s2_64" in median:
        found["s2_s1"] = median["s2_64"] / median["s1_64"]
    return {name: round(value, 3) for name, value in found.items()}


def main():
    rounds, seconds = (1, 3) if options.quick else (5, 8)
    prepare()
    server = serve()
    results, failures = {}, 0
    try:
        runs = plan(options.scenarios or ["s1", "s2"])
        for number in range(rounds):
            for name, run in runs:
                result = run(seconds)
                violations = audit()
                if violations:
                    failures += 1
                    print(f"round {number + 1}  {name:12} audit failed: {violations}", flush=True)
                    continue
                results.setdefault(name, []).append(result)
                print(f"round {number + 1}  {name:12} {result['per_second']:10.0f}/s", flush=True)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)
    rates = {name: [r["per_second"] for r in all_runs] for name, all_runs in results.items()}
    median = {name: statistics.median(values) for name, values in rates.items()}
    report = {"ratios": ratios(median), "audits_failed": failures, "rounds": rounds, "seconds": seconds,
              "median": median, "minimum": {n: min(v) for n, v in rates.items()},
              "maximum": {n: max(v) for n, v in rates.items()}, "runs": results, "cores": os.cpu_count()}
    pathlib.Path(options.out).write_text(json.dumps(report, indent=2) + "\n")
    for name, value in median.items():
        print(f"{name:12} {value:10.0f}/s median of {len(rates[name])}")
    for name, value in report["ratios"].items():
        print(f"{name:12} {value:10.2f}")
    print(f"written: {options.out}")
    return 1 if failures else 0


options = parse()
sys.exit(main())
