"""The state after each row of one user's journal, by rules written down a second time on purpose."""
import dataclasses

DEPOSIT, PURCHASE, USE = 1, 2, 3


@dataclasses.dataclass
class State:
    balance: int = 0
    items: dict = dataclasses.field(default_factory=dict)

    def after(self, row):
        if not row.completed:
            return self
        items = dict(self.items)
        if row.kind == DEPOSIT:
            return State(self.balance + row.amount, items)
        if row.kind == PURCHASE:
            items[row.product_id] = items.get(row.product_id, 0) + row.quantity
            return State(self.balance - row.amount, items)
        if row.kind == USE:
            items[row.product_id] = items.get(row.product_id, 0) - row.quantity
            return State(self.balance, items)
        raise ValueError(f"a row of kind {row.kind} in a run that makes none")

    def owned(self):
        """Lines of the inventory as it is shown: used-up ones are left out."""
        return {product: units for product, units in self.items.items() if units != 0}


def states(rows):
    """The states at versions 0, 1, 2, ...: one more than there are rows."""
    found = [State()]
    for row in rows:
        found.append(found[-1].after(row))
    return found
