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
    needs: dict         # attempts of some kind that it must cause (coverage.counts)
    failover: bool      # has a standby
    all_answered: bool  # whoever waits for an answer must get one that tells the outcome
    cache_proxy: bool   # has a proxy before the cache
    settings: dict      # of the server, as environment variables
    recovers_within: float  # seconds from healing to the first success of the last client


def fault(name, failover=False, all_answered=False, cache_proxy=False, settings=None, recovers_within=10.0, **needs):
    def register(function):
        CATALOGUE[name] = Fault(name, function, needs, failover, all_answered, cache_proxy, settings or {},
                                recovers_within)
        return function
    return register


def pause(seconds):
    time.sleep(seconds)
