"""One run: a fresh database and server, clients at work, a fault, healing, and the verdict."""
import random
import time

from faults import coverage, snapshot
from faults.checker import Checker, shortened
from faults.client import Client, Crowd
from faults.health import Base, recovery
from faults.history import INFO, History
from faults.proxy import Proxy
from faults.servers import Coffer
from faults.webhooks import Receiver, caught_up, wrong_deliveries
from faults.workloads import CLIENTS, Mix, World, probe

POPULAR_TTL = 1  # seconds
PATIENCE = 10.0  # seconds; how much longer it may take to see enough


class Verdict:
    """Violations by invariant; `unknown` says what a run that found none had too little of."""

    def __init__(self, violations, unknown, seen):
        self.violations, self.unknown, self.seen = violations, unknown, seen

    @property
    def right(self):
        return not self.violations and not self.unknown

    def __str__(self):
        lines = [f"{name}: {text}" for name, texts in self.violations.items() for text in texts]
        lines += [f"unknown: {text}" for text in self.unknown]
        return "\n".join(lines) or "no violation"


class Run:
    """What a fault may reach: database, redis, coffer (the first of `servers`), proxy, world, standby, receiver; kills,
    random, measured."""

    def __init__(self, place, seed, kills=100, threads=1, standby=False, cache_proxy=False, processes=1,
                 webhooks=False, settings=None):
        self.place, self.seed, self.kills = place, seed, kills
        self.random = random.Random(f"{seed}/fault")
        self.database, self.redis = place.database(), place.redis
        self.standby = place.standby() if standby else None
        self.history, self.measured = History(), {}  # measured: numbers that a fault tells of itself
        self.healed = None  # when the last harm was undone, of the monotonic clock
        self.proxy = Proxy(self.database.cluster.port, seed)
        # Every answer of the cache may be cut in its middle.
        self.cache_proxy = Proxy(place.redis.socket, seed, marker=b"", halves=True) if cache_proxy else None
        cache_url = f"redis://127.0.0.1:{self.cache_proxy.port}" if cache_proxy else self.redis.url
        url = self.database.url(self.proxy.port)
        if standby:
            self.database.ask("alter system set synchronous_standby_names = '*'")
            self.database.ask("select pg_reload_conf()")
            ports = f"{self.database.cluster.port},{self.standby.port}"
            url = (f"postgresql://coffer_app@/{self.database.name}?host=127.0.0.1,127.0.0.1&port={ports}"
                   "&target_session_attrs=read-write")
        self.receiver = Receiver(place.scratch) if webhooks else None
        settings = {"COFFER_THREADS": str(threads), "COFFER_POPULAR_TTL": f"{POPULAR_TTL}s",
                    "COFFER_WEBHOOK_ALLOW_PRIVATE": "on", **(settings or {})}
        self.coffer = Coffer(place.binary, place.scratch, url, cache_url, **settings)
        self.servers = [self.coffer]
        while len(self.servers) < processes:  # they share a cache
            self.servers.append(Coffer(place.binary, place.scratch, url, cache_url,
                                       COFFER_REDIS_PREFIX=self.coffer.environment["COFFER_REDIS_PREFIX"], **settings))
        if self.receiver:
            self.receiver.ask_for_all(self.coffer)
        self.clients = [self._client(n, n % processes) for n in range(CLIENTS + 1)]
        self.further = []
        self.world = World(self.clients[0])

    def _client(self, number, process):
        return Client(number, self.history, self.servers[process].port, self.seed, process)

    def further_clients(self, count, process=0):
        """Clients beside the crowd, for a fault's own use."""
        first = len(self.clients) + len(self.further)
        made = [self._client(first + n, process) for n in range(count)]
        self.further += made
        return made

    def disturbed(self):
        """Answers that tell of trouble, for a fault that nobody may notice; that too many uploads run at once is a
        limit."""
        return [f"{a.request_id} {a.kind} of user {a.user}: {a.status} {a.code} after {a.completed - a.invoked:.2f} s"
                for a in self.history.attempts if a.status >= 500 and a.code != "overloaded"]

    def heals_now(self):
        """Told by a fault that does something else behind its healing."""
        self.healed = time.monotonic()

    def carry_out(self, inject, needs=None, all_answered=False, seconds=1.5, recovers_within=10.0):
        """Works for `seconds`, hurts, heals, works on for as long and until enough was seen, looks. `needs` None:
        whatever was seen is enough."""
        bases = [Base(server) for server in self.servers]
        crowd = Crowd(self.clients[1:], Mix(self.world, self.seed))
        try:
            time.sleep(seconds)
            wrong = inject(self)
            self.healed = self.healed or time.monotonic()
            probe(self.clients[0], self.world, self.healed + recovers_within)
            time.sleep(seconds)
            end = time.monotonic() + PATIENCE
            while needs is not None and coverage.missing(self.history, {}) and time.monotonic() < end:
                time.sleep(0.2)
        finally:
            crowd.stop()
        slow = recovery(self, recovers_within)
        for client in self.clients + self.further:
            client.close()
        found = {"fault": shortened(wrong or []), "I14": slow, **self._violations(bases, all_answered)}
        unknown = [] if needs is None else coverage.missing(self.history, needs)
        return Verdict({name: texts for name, texts in found.items() if texts}, unknown,
                       {**coverage.counts(self.history), **self.measured})

    def _violations(self, bases, all_answered):
        """What is wrong after healing, by invariant; nothing is wrong where the list is empty."""
        lost = [a.request_id for a in self.history.writes() if a.outcome == INFO and not a.abandoned]
        unfit = [a.request_id for a in self.history.attempts if a.status >= 500 and (a.status != 503 or not a.retry_after)]
        return {
            "I13": [text for base in bases for text in base.violations(self)],
            **Checker(self.history, snapshot.take(self.database), POPULAR_TTL).run(),
            "I17": shortened(self._wrong_deliveries()),
            "verify": self.coffer.verify(self.database.url()),
            "answers": shortened([f"no answer for {request}" for request in lost]) if all_answered else [],
            "sanitizer": shortened([line for server in self.servers for line in server.reports()]),
            "5xx": shortened([f"{request}: something else than 503 with Retry-After" for request in unfit]),
        }

    def _wrong_deliveries(self):
        """A receiver of webhooks is told of everything, of nothing else, and in each user's order."""
        if not self.receiver:
            return []
        books = snapshot.take(self.database)
        caught_up(self.receiver, books)
        return list(wrong_deliveries(books, self.receiver.attempts()))

    def close(self):
        for client in self.clients + self.further:
            client.close()
        for server in self.servers:
            server.stop()
        self.proxy.close()
        if self.receiver:
            self.receiver.stop()
        if self.cache_proxy:
            self.cache_proxy.close()
