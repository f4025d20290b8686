"""Faults that are about time: what is too slow ends at its limit, and others hardly notice."""
import signal
import time

from faults.catalogue import fault, pause
from faults.latency import Watcher, of_attempts, p99
from faults.slow import SlowClients

SLOW_LIMIT = 2.0         # seconds; of the server, for heads, bodies and readers
NOISE = 0.020            # seconds; what the clients' own scheduling may take
REQUEST_LIMIT = 5.0      # seconds; the server's default
MARGIN = 1.0
UNDISTURBED = 0.1        # seconds; p99 of what needs no database


@fault("slow-clients", settings={name: f"{SLOW_LIMIT:.0f}s" for name in (
    "COFFER_HEADER_TIMEOUT", "COFFER_BODY_TIMEOUT", "COFFER_WRITE_TIMEOUT")})
def slow_clients(run):
    """Connections that never end their head or body, or read no answer: they are ended at the limits, and the p99 of
    others is less than doubled. Measured in turns with and without them."""
    wrong, without, among = [], [], []
    for _ in range(2):
        began = time.monotonic()
        pause(2)
        without.append((began, time.monotonic()))
        slow = SlowClients(run.coffer.port, heads=100, bodies=100, readers=50)
        slow.wait(SLOW_LIMIT + 3)
        among.append((without[-1][1], time.monotonic()))
        slow.close()
        wrong += slow.not_ended(SLOW_LIMIT - 0.1, SLOW_LIMIT + 1.5)
    usual, seen = (p99(of_attempts(run.history, spans)) for spans in (without, among))
    run.measured = {"p99_ms": round(1000 * usual), "p99_ms_among_slow": round(1000 * seen)}
    if seen > max(2 * usual, NOISE):
        wrong.append(f"the p99 of others rose from {1000 * usual:.1f} to {1000 * seen:.1f} ms")
    return wrong


@fault("database-stalled", not_applied=1)
def database_stalled(run):
    """Every process of the database stops for longer than a request may take: who needs it is told so in time, and
    nobody else notices."""
    watcher = Watcher(run.coffer.port, "/livez", f"/users/{run.world.bystander}/inventory")
    pause(0.5)  # so that the inventory is in the cache
    began = time.monotonic()
    run.database.cluster.signal(signal.SIGSTOP)
    pause(REQUEST_LIMIT + MARGIN)
    answers = [answer for answer in watcher.stop() if answer[1] >= began]
    ended = time.monotonic()
    run.database.cluster.signal(signal.SIGCONT)
    pause(MARGIN)
    return undisturbed(run, answers) + told_in_time(run, began, ended)


def undisturbed(run, answers):
    """What is wrong with answers that need no database."""
    wrong = [f"{path}: {status}, {headers.get('cache-status')}" for path, _, _, status, headers in answers
             if status != 200 or ("inventory" in path and "hit" not in headers.get("cache-status", ""))]
    slowest = p99([seconds for _, _, seconds, _, _ in answers])
    run.measured = {"undisturbed": len(answers), "undisturbed_p99_ms": round(1000 * slowest)}
    if slowest > UNDISTURBED:
        wrong.append(f"the p99 of what needs no database is {1000 * slowest:.0f} ms")
    return wrong


def told_in_time(run, began, ended):
    """What is wrong with the attempts of a span in which nothing could be done for them."""
    late = [a for a in run.history.attempts if began <= a.invoked < ended and not a.abandoned
            and min(a.completed, time.monotonic()) - a.invoked > REQUEST_LIMIT + MARGIN]
    return [f"{a.request_id} {a.kind}: {a.status} after {a.completed - a.invoked:.1f} s" for a in late]
