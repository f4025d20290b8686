"""Whether what was decided, a refund or a refusal, was right in the state that it was decided in, and by terms of its
time."""
import collections
import math

from faults.history import KINDS, OK
from faults.replay import TAKEN_AWAY, missing
from faults.terms import Catalogue
from faults.workloads import STOCK

FORGOTTEN_WITHIN = 1.0  # seconds; how long a server may take a product for sold out that another one has restocked

class Decisions:
    """Of a run's history and books. `before`: the states that rows were decided in, by user and version."""

    def __init__(self, history, snapshot, before):
        self.snapshot, self.before = snapshot, before
        self.journal = {(row.user_id, row.version): row for row in snapshot.rows}
        self.issued = {a.request_id: a for a in history.writes()}
        self.issuers = {(a.request_id, a.key or None): a for a in history.writes()}
        self.catalogue = Catalogue(history)
        self.told = {key: min((a.completed for a in attempts if a.outcome == OK), default=math.inf)
                     for key, attempts in history.by_key().items()}
        self.late = FORGOTTEN_WITHIN if len({a.process for a in history.attempts}) > 1 else 0
        # Of limited products: changes of what is left, with the attempts that made them.
        self.sold, self.returned = collections.defaultdict(list), collections.defaultdict(list)
        for row in snapshot.rows:
            a = self.issued.get(row.request_id)
            if a is not None and row.completed and row.kind == KINDS["purchase"]:
                self.sold[row.product_id].append((a, row.quantity))
            if a is not None and row.completed and row.kind == KINDS["refund"]:
                self.returned[row.product_id].append((a, row.quantity - missing(row)))

    def purchase_of(self, user, version):
        """The completed purchase at a version, or None."""
        row = self.journal.get((user, version))
        return row if row is not None and row.completed and row.kind == KINDS["purchase"] else None

    def deposit_of(self, user, version):
        """The completed deposit at a version, or None."""
        row = self.journal.get((user, version))
        return row if row is not None and row.completed and row.kind == KINDS["deposit"] else None

    def books(self, row, a):
        """Whether a row's numbers are those that the attempt asked for."""
        if a.kind == "deposit":
            return (row.amount, row.quantity) == (a.quantity, 0)
        if a.kind == "use":
            return (row.amount, row.quantity) == (0, a.quantity)
        if a.kind == "grant":
            wanted = (0, abs(a.quantity)) if a.product else (abs(a.quantity), 0)
            return (row.amount, row.quantity) == wanted and (row.detail_1 == TAKEN_AWAY) == (a.quantity < 0)
        if a.kind == "refund" and not a.product:
            return row.quantity == 0 and row.detail_1 == a.purchase
        if a.kind == "refund":
            purchase = self.purchase_of(a.user, a.purchase)
            return (purchase is not None and row.detail_1 == a.purchase and a.quantity in (0, row.quantity) and
                    row.amount * purchase.quantity == purchase.amount * row.quantity)
        return row.quantity == a.quantity and row.amount in {
            a.quantity * terms.price for terms in self.catalogue.ever(a.product)}

    # Terms of sale.

    def terms_of(self, row, a=None):
        """What may have been in force while a row was decided: from when it was asked for until somebody was told; `a`
        is one who was."""
        asked = self.issuers.get((row.request_id, row.idempotency_key), a)
        told = self.told.get((row.user_id, row.idempotency_key), math.inf)
        return self.catalogue.between(row.product_id, asked.invoked,
                                      min(asked.completed, told, a.completed if a else math.inf))

    def wrong_terms(self):
        """Purchases, and refusals of them, by terms that were never in force between their request and its answer."""
        for row in self.snapshot.rows:
            if row.kind != KINDS["purchase"] or (row.request_id, row.idempotency_key) not in self.issuers:
                continue
            bought = self.before[row.user_id, row.version].bought.get(row.product_id, 0)
            possible = self.terms_of(row)
            fits = {None: lambda t: (t.is_active and t.allows(bought, row.quantity) and
                                     row.amount == row.quantity * t.price),
                    "product_inactive": lambda t: not t.is_active,
                    "limit_reached": lambda t: not t.allows(bought, row.quantity)}.get(row.reason)
            if fits and not any(map(fits, possible)):
                yield f"{row}, of {bought} bought before, and in force were {possible}"
        for product, known in self.snapshot.products.items():
            last = self.catalogue.between(product, math.inf, math.inf)
            if not any(all(known[name] == value for name, value in vars(terms).items()) for terms in last):
                yield f"product {product} is {known} in the end, and should be {last}"

    # Refunds that happened.

    def wrong_refunds(self):
        """A refund gives back what was paid, takes what is there, and no unit of a purchase is refunded twice."""
        units = collections.Counter()
        for row in self.snapshot.rows:
            if not row.completed or row.kind != KINDS["refund"]:
                continue
            if row.product_id is None:
                yield from self._wrong_chargeback(row, units)
                continue
            purchase = self.purchase_of(row.user_id, row.detail_1)
            if purchase is None or purchase.version > row.version or purchase.product_id != row.product_id:
                yield f"{row} gives back {purchase}"
                continue
            units[row.user_id, purchase.version] += row.quantity
            if row.amount * purchase.quantity != purchase.amount * row.quantity:
                yield f"{row} does not give back the price of {purchase}"
            before, a = self.before[row.user_id, row.version], self.issued.get(row.request_id)
            if missing(row) != max(0, row.quantity - before.items.get(row.product_id, 0)):
                yield f"{row} says {missing(row)} missing, of {before}"
            possible = before.refundable(purchase, a is None or a.force)
            if row.quantity > possible or (a is not None and not a.quantity and row.quantity != possible):
                yield f"{row} refunds {row.quantity} of {possible} units of {purchase}"
        for purchase in units.keys() | self.snapshot.refunds.keys():
            if units[purchase] != self.snapshot.refunds.get(purchase, 0):
                yield f"of user and version {purchase} {units[purchase]} were refunded, and it is not counted so"

    def _wrong_chargeback(self, row, units):
        """A deposit is taken back as a whole, as far as it is there, and the rest is missing."""
        deposit = self.deposit_of(row.user_id, row.detail_1)
        if deposit is None or deposit.version > row.version or row.quantity != 0:
            yield f"{row} takes back {deposit}"
            return
        units[row.user_id, deposit.version] += row.amount + missing(row)
        before, a = self.before[row.user_id, row.version], self.issued.get(row.request_id)
        if before.refunded.get(deposit.version):
            yield f"{row} takes back {deposit} once more"
        if row.amount != min(before.balance, deposit.amount) or row.amount + missing(row) != deposit.amount:
            yield f"{row} takes {row.amount} of {deposit}, and says that {missing(row)} are missing, of {before}"
        if missing(row) and a is not None and not a.up_to:
            yield f"{row} leaves {missing(row)} behind, and nobody had allowed it"

    def wrong_stocks(self):
        """Sold is what was bought; what was given back is for sale once more, and nothing else is."""
        for product, known in self.snapshot.products.items():
            if known["supply"] is None:
                continue
            sold = sum(units for _, units in self.sold[product])
            supply = STOCK + sum(units for _, units in self.returned[product])
            if (known["sold"], known["supply"]) != (sold, supply) or sold > supply:
                yield f"{sold} of {supply} sold, and the stock says {known}"

    # Refusals.

    def unjustified(self, a, row):
        """Why an attempt that was refused with 402, 404 or 409 should not have been; `row`: of its refusal, or None."""
        if a.code == "transaction_not_found":
            if (a.user, a.purchase) in self.journal:
                yield f"{a.request_id} was told that there is no version {a.purchase} of user {a.user}"
            return
        if row is None:
            # Without a key a sold-out product may be refused from memory.
            if a.code != "sold_out" or a.key or not self._may_have_left(a.product, 0, a.invoked - self.late, a.completed):
                yield f"{a.request_id} was refused with {a.code} and has no row"
            return
        if row.reason != a.code:
            yield f"{a.request_id} was refused with {a.code}, the journal says {row}"
            return
        before = self.before[a.user, row.version]
        rule = {"insufficient_funds": self._too_poor, "already_owned": self._owns, "not_enough_items": self._owns_less,
                "sold_out": self._was_sold_out, "product_inactive": self._was_inactive,
                "limit_reached": self._was_at_limit, "not_refundable": self._not_refundable,
                "already_refunded": self._refunded}.get(a.code)
        if rule is None or not rule(a, row, before):
            yield f"{a.request_id} was refused with {a.code}, with {before} before {row}"

    def _too_poor(self, a, row, before):
        # What comes before it in an atomic batch would have happened.
        earlier = a.batch.before(a) if a.batch and a.batch.atomic else ()
        balance = before.balance + sum(self._change(one, row) for one in earlier)
        wanted = abs(a.quantity) if a.kind == "grant" else -self._change(a, row)
        return a.kind in ("purchase", "grant") and wanted > balance

    def _change(self, a, row):
        """What an operation does to the balance at the most, at the time of a row."""
        if a.kind == "deposit":
            return a.quantity
        asked = self.issuers.get((row.request_id, row.idempotency_key), a)
        possible = self.catalogue.between(a.product, asked.invoked, asked.completed)
        return -a.quantity * max(terms.price for terms in possible)

    def _was_inactive(self, a, row, _before):
        return any(not terms.is_active for terms in self.terms_of(row, a))

    def _was_at_limit(self, a, row, before):
        return any(not terms.allows(before.bought.get(a.product, 0), a.quantity) for terms in self.terms_of(row, a))

    @staticmethod
    def _owns(a, _row, before):
        return a.kind in ("purchase", "grant") and before.items.get(a.product, 0) > 0

    @staticmethod
    def _owns_less(a, _row, before):
        return a.kind in ("use", "grant") and before.items.get(a.product, 0) < abs(a.quantity)

    def _not_refundable(self, a, row, before):
        purchase, deposit = self.purchase_of(a.user, a.purchase), self.deposit_of(a.user, a.purchase)
        if deposit is not None:
            there = min(before.balance, deposit.amount)
            return (not a.up_to and not before.refunded.get(deposit.version) and
                    row.detail_2 == there < row.amount == deposit.amount)
        if purchase is None:
            return row.detail_2 == 0
        possible = before.refundable(purchase, a.force)
        return row.detail_2 == possible < (a.quantity or 1) and before.refundable(purchase, force=True) > 0

    def _refunded(self, a, _row, before):
        purchase = self.purchase_of(a.user, a.purchase)
        if purchase is None:
            return a.purchase in before.refunded
        return before.refundable(purchase, force=True) == 0

    def _was_sold_out(self, a, row, _before):
        """As many as the refusal says were left, some time between the sending and the answer of what decided it."""
        decided = self.issued.get(row.request_id, a)
        return row.detail_1 < a.quantity and self._may_have_left(
            a.product, row.detail_1, decided.invoked, min(decided.completed, a.completed))

    def _may_have_left(self, product, left, since, until):
        """Whether a stock may have had so many units left at some moment between two times."""
        def bounds(changes):
            return (sum(units for a, units in changes if a.completed < since),
                    sum(units for a, units in changes if a.invoked < until))
        (sold, sold_at_most), (returned, returned_at_most) = bounds(self.sold[product]), bounds(self.returned[product])
        return STOCK + returned - sold_at_most <= left <= STOCK + returned_at_most - sold
