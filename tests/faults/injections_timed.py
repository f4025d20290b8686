"""Faults that are about time: what is too slow ends at its limit, and others hardly notice."""
import signal
import time

from faults.catalogue import fault, pause
from faults.latency import Watcher, of_attempts, p99
from faults.postgres import APPLICATION, Database
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
    others is less than doubled. Measured in turns with and without them: two, and two more when that looks wrong."""
    wrong, without, among = [], [], []
    for _ in range(2):
        for _ in range(2):
            began = time.monotonic()
            pause(2)
            without.append((began, time.monotonic()))
            slow = SlowClients(run.coffer.port, heads=100, bodies=100, readers=50)
            began = time.monotonic()
            slow.wait(SLOW_LIMIT + 3)
            among.append((began, time.monotonic()))
            slow.close()
            wrong += slow.not_ended(SLOW_LIMIT - 0.1, SLOW_LIMIT + 2.5)
        usual, seen = (p99(of_attempts(run.history, spans)) for spans in (without, among))
        if seen <= max(2 * usual, NOISE):
            break
    else:
        wrong.append(f"the p99 of others rose from {1000 * usual:.1f} to {1000 * seen:.1f} ms")
    run.measured |= {"p99_ms": round(1000 * usual), "p99_ms_among_slow": round(1000 * seen)}
    return wrong


@fault("database-stalled", turned_away=6)
def database_stalled(run):
    """Every process of the database stops for longer than a request may take: who needs it is told so in time, and
    nobody else notices."""
    watcher = Watcher(run.coffer.port, "/livez", f"/users/{run.world.bystanders[0]}/inventory")
    pause(0.5)  # so that the inventory is in the cache
    began = time.monotonic()
    run.database.cluster.signal(signal.SIGSTOP)
    pause(REQUEST_LIMIT + MARGIN)
    answers = [answer for answer in watcher.stop() if answer[1] >= began]
    ended = time.monotonic()
    run.database.cluster.signal(signal.SIGCONT)
    run.heals_now()
    pause(MARGIN)
    return undisturbed(run, answers) + told_in_time(run, began, ended)


@fault("statement-timeout", turned_away=6)
def statement_timeout(run):
    """A statement of every batch takes longer than it may, until it does not any more."""
    root = Database(run.database.cluster, run.database.name)
    # A table tells whether to wait: a trigger that comes and goes would wait for locks.
    root.ask("create table slowness (is_on boolean not null)", "insert into slowness values (false)",
             f"grant select on slowness to {APPLICATION}",
             "create function slow() returns trigger language plpgsql as $$ begin"
             " if (select is_on from slowness) then perform pg_sleep(60); end if; return null; end $$",
             "create trigger slow before insert on transactions for each statement execute function slow()",
             "update slowness set is_on = true")
    began = time.monotonic()
    pause(REQUEST_LIMIT + MARGIN)
    root.ask("update slowness set is_on = false")
    ended = time.monotonic()
    run.heals_now()
    pause(MARGIN)
    retried = run.coffer.total("coffer_lane_retries_total", 'sqlstate="57014"')
    run.measured |= {"retried": retried}
    wrong = [] if retried else ["no statement ran into its deadline"]
    return wrong + told_in_time(run, began, ended)


@fault("database-starting", turned_away=6)
def database_starting(run):
    """The database was killed, and takes long to recover: until it has, it refuses connections (57P03)."""
    run.database.cluster.kill()
    began = time.monotonic()
    with run.database.cluster.recovering():
        pause(REQUEST_LIMIT + MARGIN)
    ended = time.monotonic()
    refused = run.coffer.total("coffer_pg_connect_failures_total", 'sqlstate="57P03"')
    run.measured |= {"told_starting": refused}
    wrong = [] if refused else ["the server was not told that the database is starting"]
    return wrong + told_in_time(run, began, ended)


def undisturbed(run, answers):
    """What is wrong with answers that need no database."""
    wrong = [f"{path}: {status}, {headers.get('cache-status')}" for path, _, _, status, headers in answers
             if status != 200 or ("inventory" in path and "hit" not in headers.get("cache-status", ""))]
    slowest = p99([seconds for _, _, seconds, _, _ in answers])
    run.measured |= {"undisturbed": len(answers), "undisturbed_p99_ms": round(1000 * slowest)}
    if slowest > UNDISTURBED:
        wrong.append(f"the p99 of what needs no database is {1000 * slowest:.0f} ms")
    return wrong


def told_in_time(run, began, ended):
    """What is wrong with the attempts of a span in which nothing could be done for them."""
    late = [a for a in run.history.attempts if began <= a.invoked < ended and not a.abandoned
            and min(a.completed, time.monotonic()) - a.invoked > REQUEST_LIMIT + MARGIN]
    return [f"{a.request_id} {a.kind}: {a.status} after {a.completed - a.invoked:.1f} s" for a in late]
