"""I13 and I14: what must be true of the servers when a fault is over."""
import concurrent.futures
import time

from faults.postgres import APPLICATION
from faults.workloads import probe

RECOVERED_WITHIN = 10.0  # seconds (I14)
SETTLED_WITHIN = 15.0
SPARE_DESCRIPTORS = 16
SPARE_MB = 96


def recovery(clients, world):
    """I14: within ten seconds of healing every client succeeds."""
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        took = pool.map(lambda client: probe(client, world, RECOVERED_WITHIN), clients)
    return [f"client {client.number} has no success {RECOVERED_WITHIN:.0f} s after healing"
            for client, seconds in zip(clients, took) if seconds is None]


class Base:
    """I13: descriptors and memory before the load, compared with those after it."""

    def __init__(self, coffer):
        self.descriptors, self.resident_mb = coffer.descriptors(), coffer.resident_mb()

    def violations(self, run):
        """What is still not back to where it was, after waiting for it."""
        end = time.monotonic() + SETTLED_WITHIN
        while found := self._look(run):
            if time.monotonic() > end:
                return found
            time.sleep(0.2)
        return []

    def _look(self, run):
        found = []
        pending = int(run.database.ask("select count(*) from transactions where status = 1"))
        if pending:
            found.append(f"{pending} pending rows")
        idle = int(run.database.ask("select count(*) from pg_stat_activity where state like 'idle in transaction%'"
                                    f" and datname = '{run.database.name}' and usename in ('{APPLICATION}', 'coffer')"
                                    " and now() - state_change > interval '1 s'"))
        if idle:
            found.append(f"{idle} sessions idle in a transaction")
        descriptors = run.coffer.descriptors()
        if descriptors > self.descriptors + SPARE_DESCRIPTORS:
            found.append(f"{descriptors} descriptors, {self.descriptors} before")
        resident = run.coffer.resident_mb()
        if resident > self.resident_mb + SPARE_MB:
            found.append(f"{resident:.0f} MB of memory, {self.resident_mb:.0f} before")
        return found
