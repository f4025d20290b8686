"""The terms that products were sold by, as far as those who changed them can know."""
import collections
import dataclasses
import math

from faults.history import OK
from faults.workloads import PRICE


@dataclasses.dataclass(frozen=True)
class Terms:
    price: int = PRICE
    is_active: bool = True
    per_user_limit: int = None

    def allows(self, bought, units):
        """Whether somebody who has bought so many units may buy so many more."""
        return self.per_user_limit is None or bought + units <= self.per_user_limit


@dataclasses.dataclass(frozen=True)
class Change:
    """`began`: when it was first sent; `done`: when it was first answered."""
    terms: Terms
    began: float
    done: float


class Catalogue:
    """Of each product its terms, one after the other: one client changes it, and changes nothing more before it is
    answered. So terms may be in force from when they were sent until the next ones were answered."""

    def __init__(self, history):
        self.changes = collections.defaultdict(lambda: [Change(Terms(), -math.inf, -math.inf)])
        asked = collections.defaultdict(list)
        for a in history.attempts:
            if a.kind == "change":
                asked[a.key].append(a)
        for attempts in asked.values():
            known = self.changes[attempts[0].product]
            done = min((a.completed for a in attempts if a.outcome == OK), default=math.inf)
            known.append(Change(dataclasses.replace(known[-1].terms, **attempts[0].terms), attempts[0].invoked, done))

    def ever(self, product):
        return self.between(product, -math.inf, math.inf)

    def between(self, product, since, until):
        """What may have been in force at some moment between two times."""
        known = self.changes[product]
        ends = [change.done for change in known[1:]] + [math.inf]
        return [change.terms for change, end in zip(known, ends) if change.began <= until and end >= since]
