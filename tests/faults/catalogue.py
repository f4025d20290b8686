"""What a fault is, and the list of all of them."""
import dataclasses
import time
from typing import Callable

CATALOGUE = {}


@dataclasses.dataclass(frozen=True)
class Fault:
    """`inject` carries it out and gives what it found wrong by itself, as texts, or None."""
    name: str
    inject: Callable
    needs: dict = dataclasses.field(default_factory=dict)  # attempts of some kind that it must cause (coverage.counts)
    failover: bool = False      # has a standby
    all_answered: bool = False  # whoever waits for an answer must get one that tells the outcome
    cache_proxy: bool = False   # has a proxy before the cache
    processes: int = 1          # servers of the same wallets
    webhooks: bool = False      # a receiver is sent all events
    settings: dict = dataclasses.field(default_factory=dict)  # of the servers, as environment variables
    recovers_within: float = 10.0  # seconds from healing to the first success of the last client

    @property
    def world(self):
        """What a run needs for it, as Run takes it."""
        return {"standby": self.failover, "cache_proxy": self.cache_proxy, "processes": self.processes,
                "webhooks": self.webhooks, "settings": self.settings}


def fault(name, **how):
    """`how`: the members of Fault; everything else is what it needs."""
    members = {field.name for field in dataclasses.fields(Fault)}

    def register(function):
        needs = {kind: least for kind, least in how.items() if kind not in members}
        CATALOGUE[name] = Fault(name, function, needs, **{member: how[member] for member in how.keys() & members})
        return function
    return register


def pause(seconds):
    time.sleep(seconds)
