"""The load generators as functions: each runs one and gives what it counted, with the CPU time it took."""
import json
import re
import resource
import subprocess

from load.environment import HERE


def watched(command, **options):
    """Output of a command and the CPU seconds it took."""
    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout, spent() - before


def wrk(address, table, connections, seconds, count_sent=False):
    """Closed loop over kept-alive connections: `count` is the number of answers that are not refusals."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", HERE / "requests.lua", address,
               "--", table, "count" if count_sent else ""]
    output, cpu = watched(command)
    result = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    result["count"] = result["answers"] - result["refused"]
    result["per_second"] = result["answers"] / result["seconds"]
    return result, cpu


def pgbench(env, database, script, clients, users, seconds):
    """Closed loop of transactions; `count` is exact."""
    first, last = users
    command = [env.pg_bin / "pgbench", "-n", "-M", "prepared", f"-c{clients}", f"-j{min(clients, 2)}", f"-T{seconds}",
               "-D", f"first={first}", "-D", f"last={last}", "-D", f"products={env.sizes.products}",
               "-f", HERE / "sql" / script, env.url(database)]
    output, cpu = watched(command)

    def number(pattern):
        return float(re.search(pattern, output).group(1))

    return {"count": int(number(r"actually processed: (\d+)")), "errors": int(number(r"failed transactions: (\d+)")),
            "per_second": number(r"tps = ([\d.]+)"), "mean_ms": number(r"latency average = ([\d.]+)"),
            "seconds": seconds}, cpu
