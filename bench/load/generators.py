"""The load generators as functions: each runs one and gives what it counted, with the CPU time it took."""
import http.client
import json
import os
import re
import resource
import statistics
import subprocess
import threading
import time

from load.contenders import POPULAR_TTL
from load.environment import HERE


def watched(*commands, **options):
    """Outputs of commands that run at the same time, and the CPU seconds they took together."""
    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
               for command in commands]
    said = [process.communicate() for process in running]
    for process, (_, errors) in zip(running, said):
        if process.returncode:
            raise RuntimeError(f"{process.args[0]} failed: {errors.strip()[-2000:]}")
    return [output for output, _ in said], spent() - before


def wrk(server, table, connections, seconds, count_sent=False):
    """Closed loop over kept-alive connections, as many to each process of the server: `count` is the number of answers
    that are not refusals. Of two processes the latencies are those of the slower one."""
    environment = {name: value for name, value in os.environ.items() if name != "COFFER_KEY"}
    if server.key:
        environment["COFFER_KEY"] = server.key
    many = len(server.members)
    outputs, cpu = watched(*(
        ["wrk", "-t1", f"-c{connections // many}", f"-d{seconds}s", "--latency", "-s", HERE / "requests.lua",
         member.address, "--", table, str(i / many), "count" if count_sent else ""]
        for i, member in enumerate(server.members)), env=environment)
    parts = [json.loads(next(line for line in output.splitlines() if line.startswith("{"))) for output in outputs]
    result = {key: sum(part[key] for part in parts) for key in ("answers", "refused", "errors", "sent", "preparation")}
    result |= {key: max(part[key] for part in parts) for key in ("seconds", "p50_ms", "p99_ms")}
    result["count"] = result["answers"] - result["refused"]
    result["per_second"] = sum(part["answers"] / part["seconds"] for part in parts)
    return result, max(0.0, cpu - result.pop("preparation"))  # CPU time before the first request


def pgbench(env, database, script, clients, users, seconds):
    """Closed loop of transactions; `count` is exact."""
    first, last = users
    command = [env.pg_bin / "pgbench", "-n", "-M", "prepared", f"-c{clients}", f"-j{min(clients, 2)}", f"-T{seconds}",
               "-D", f"first={first}", "-D", f"last={last}", "-D", f"products={env.sizes.products}",
               "-f", HERE / "sql" / script, env.url(database)]
    [output], cpu = watched(command)

    def number(pattern):
        return float(re.search(pattern, output).group(1))

    return {"count": int(number(r"actually processed: (\d+)")), "errors": int(number(r"failed transactions: (\d+)")),
            "per_second": number(r"tps = ([\d.]+)"), "mean_ms": number(r"latency average = ([\d.]+)"),
            "seconds": seconds}, cpu


def lane_driver(env, database, outstanding, seconds):
    """Closed loop of purchases on the write path itself; `count` is exact."""
    command = [env.programs / "lane_driver", env.url(database), str(seconds), str(outstanding), "1",
               str(env.sizes.users), str(env.sizes.products)]
    [output], cpu = watched(command)
    return json.loads(output), cpu


def open_loop(env, port, table, rate, connections, seconds):
    """A fixed schedule of `rate` requests a second; latencies count from when a request was due. `count` is the number
    of 200s and 201s."""
    command = [env.programs / "open_loop", str(port), table, f"{rate:.3f}", str(seconds), str(connections)]
    [output], cpu = watched(command)
    result = json.loads(output)
    return result, max(0.0, cpu - result.pop("preparation"))


def miss_storm(server, table, connections, seconds):
    """All connections read one inventory while its owner keeps buying: every purchase makes all of them miss."""
    ended, bought = threading.Event(), []

    def buy():
        while not ended.wait(0.02):
            bought.append(server.post("/products/1/purchase", '{"user_id":1}'))

    buyer = threading.Thread(target=buy)
    buyer.start()
    try:
        result, cpu = wrk(server, table, connections, seconds)
    finally:
        ended.set()
        buyer.join()
    return result | {"writes": bought.count(201), "errors": result["errors"] + len(bought) - bought.count(201)}, cpu


def told(server, generate, backlog):
    """What `generate` gives, and how the webhook was told of it: while it ran, or with `backlog` all at its end, when
    the webhook is switched on again."""
    server.received()
    if backlog:
        server.tell(on=False)
    else:
        server.ask_sink("DELETE")
    result, cpu = generate()
    if backlog:
        server.ask_sink("DELETE")
        server.tell(on=True)
    of = server.received()
    return result | {"told_p50_ms": of["p50_ms"], "told_p99_ms": of["p99_ms"], "told_max_ms": of["max_ms"],
                     "told_per_second": of["received"] / max(of["seconds"], 1e-3), "repeated": of["repeated"]}, cpu


def popular(env, server, samples):
    """Times GET /analytics/popular-products one by one, each when its time in the caches has passed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    times, began = [], time.monotonic()
    for _ in range(samples + 1):
        time.sleep(POPULAR_TTL + 0.1)
        env.redis("FLUSHALL")
        asked = time.perf_counter()
        connection.request("GET", "/analytics/popular-products")
        answer = connection.getresponse()
        body = answer.read()
        times.append((time.perf_counter() - asked) * 1000)
        if answer.status != 200 or b'"purchases"' not in body:
            raise RuntimeError(f"popular products: {answer.status} {body[:200]}")
    computed = server.metrics()['coffer_popular_reads_total{source="database"}']
    if computed < samples + 1:
        raise RuntimeError(f"popular products were computed {computed:.0f} times for {samples + 1} requests")
    seconds = time.monotonic() - began
    del times[0]  # plans and catalogue of a new session
    return {"count": samples, "answers": samples, "refused": 0, "errors": 0, "seconds": seconds,
            "per_second": samples / seconds, "p50_ms": statistics.median(times), "p99_ms": max(times)}, 0.0
