"""I13 and I14: what must be true of the servers when a fault is over."""
import concurrent.futures
import time

from faults.history import OK
from faults.postgres import APPLICATION
from faults.workloads import probe

SETTLED_WITHIN = 15.0
SPARE_DESCRIPTORS = 16
SPARE_MB = 96


def recovery(run, limit):
    """I14: from healing on, no client waits longer than `limit` seconds for a success. Clients that had none at work are
    given the rest of the time to try."""
    def first_success():
        found = {}
        for a in run.history.writes():
            if a.outcome == OK and a.completed >= run.healed:
                found[a.client] = min(a.completed, found.get(a.client, a.completed))
        return found

    late = [client for client in run.clients if client.number not in first_success()]
    with concurrent.futures.ThreadPoolExecutor(len(run.clients)) as pool:
        list(pool.map(lambda client: probe(client, run.world, run.healed + limit), late))
    found = first_success()
    took = {client.number: found.get(client.number, float("inf")) - run.healed for client in run.clients}
    run.measured["recovered_s"] = round(max(took.values()), 2)
    return [f"client {number} had its first success {seconds:.1f} s after healing, at most {limit:.0f} s are allowed"
            for number, seconds in took.items() if seconds > limit]


class Base:
    """I13: descriptors and memory before the load, compared with those after it."""

    def __init__(self, coffer):
        self.coffer = coffer
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
        if ended := self.coffer.ended():
            return [ended]
        found = []
        pending = int(run.database.ask("select count(*) from transactions where status = 1"))
        if pending:
            found.append(f"{pending} pending rows")
        idle = int(run.database.ask("select count(*) from pg_stat_activity where state like 'idle in transaction%'"
                                    f" and datname = '{run.database.name}' and usename in ('{APPLICATION}', 'coffer')"
                                    " and now() - state_change > interval '1 s'"))
        if idle:
            found.append(f"{idle} sessions idle in a transaction")
        descriptors = self.coffer.descriptors()
        if descriptors > self.descriptors + SPARE_DESCRIPTORS:
            found.append(f"{descriptors} descriptors, {self.descriptors} before")
        resident = self.coffer.resident_mb()
        if resident > self.resident_mb + SPARE_MB:
            found.append(f"{resident:.0f} MB of memory, {self.resident_mb:.0f} before")
        return found
