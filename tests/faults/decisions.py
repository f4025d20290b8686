"""Whether what was decided, a refund or a refusal, was right in the state that it was decided in."""
import collections

from faults.history import KINDS
from faults.replay import TAKEN_AWAY, missing
from faults.workloads import STOCK


class Decisions:
    """Of a run's history and books. `before`: the states that rows were decided in, by user and version."""

    def __init__(self, history, snapshot, before):
        self.snapshot, self.before = snapshot, before
        self.journal = {(row.user_id, row.version): row for row in snapshot.rows}
        self.issued = {a.request_id: a for a in history.writes()}
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
        units = a.quantity or (row.quantity if a.kind == "refund" else 0)
        return (row.amount, row.quantity) == (units * self.price(a), units) and (
            a.kind != "refund" or row.detail_1 == a.purchase)

    def price(self, a):
        return self.snapshot.products[a.product]["price"] if a.product else 1

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
            if a.code != "sold_out" or a.key or not self._may_have_left(a.product, 0, a.invoked, a.completed):
                yield f"{a.request_id} was refused with {a.code} and has no row"
            return
        if row.reason != a.code:
            yield f"{a.request_id} was refused with {a.code}, the journal says {row}"
            return
        before = self.before[a.user, row.version]
        rule = {"insufficient_funds": self._too_poor, "already_owned": self._owns, "not_enough_items": self._owns_less,
                "sold_out": self._was_sold_out, "not_refundable": self._not_refundable,
                "already_refunded": self._refunded}.get(a.code)
        if rule is None or not rule(a, row, before):
            yield f"{a.request_id} was refused with {a.code}, with {before} before {row}"

    def _too_poor(self, a, _row, before):
        price = 1 if a.kind == "grant" else self.price(a)
        # What comes before it in an atomic batch would have happened.
        earlier = a.batch.before(a) if a.batch and a.batch.atomic else ()
        balance = before.balance + sum(self._change(one) for one in earlier)
        return a.kind in ("purchase", "grant") and abs(a.quantity) * price > balance

    def _change(self, a):
        """What an operation of a batch does to the balance."""
        return a.quantity if a.kind == "deposit" else -a.quantity * self.price(a)

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
