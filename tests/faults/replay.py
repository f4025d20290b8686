"""The state after each row of one user's journal, by rules written down a second time on purpose."""
import dataclasses

DEPOSIT, PURCHASE, USE, REFUND, GRANT = 1, 2, 3, 4, 5
TAKEN_AWAY = -1  # detail_1 of a grant


@dataclasses.dataclass
class State:
    """`bought`: units ever, less those that were refunded. `refunded`: units given back, or credits of a deposit taken
    back, by version of their purchase or deposit."""
    balance: int = 0
    items: dict = dataclasses.field(default_factory=dict)
    bought: dict = dataclasses.field(default_factory=dict)
    refunded: dict = dataclasses.field(default_factory=dict)

    def after(self, row):
        if not row.completed:
            return self
        credits, units = _directions(row)
        items, bought, refunded = self.items, self.bought, self.refunded
        if row.product_id is not None:
            items = {**items, row.product_id: items.get(row.product_id, 0) + units * (row.quantity - missing(row))}
            if row.kind in (PURCHASE, REFUND):
                units = row.quantity if row.kind == PURCHASE else -row.quantity
                bought = {**bought, row.product_id: bought.get(row.product_id, 0) + units}
        if row.kind == REFUND:
            # Of a deposit all credits at once, whether they were still there or not.
            given_back = row.quantity if row.product_id is not None else row.amount + missing(row)
            refunded = {**refunded, row.detail_1: refunded.get(row.detail_1, 0) + given_back}
        return State(self.balance + credits * row.amount, items, bought, refunded)

    def owned(self):
        """Lines of the inventory as it is shown: used-up ones are left out."""
        return {product: units for product, units in self.items.items() if units != 0}

    def refundable(self, purchase, force):
        """Units of a purchase (a row) that can be given back."""
        left = purchase.quantity - self.refunded.get(purchase.version, 0)
        return left if force else min(left, self.items.get(purchase.product_id, 0))


def missing(row):
    """Units that a refund paid for, or credits of a deposit, that it could not take back."""
    return row.detail_2 or 0 if row.kind == REFUND else 0


def _directions(row):
    """What a completed row does to the balance and to the units owned: -1, 0 or 1."""
    granted = -1 if row.detail_1 == TAKEN_AWAY else 1
    refunded = -1 if row.product_id is None else 1  # without a product it takes a deposit back
    return {DEPOSIT: (1, 0), PURCHASE: (-1, 1), USE: (0, -1), REFUND: (refunded, -1), GRANT: (granted, granted)}[row.kind]


def states(rows):
    """The states at versions 0, 1, 2, ...: one more than there are rows."""
    found = [State()]
    for row in rows:
        found.append(found[-1].after(row))
    return found
