"""The books after healing, read in one REPEATABLE READ transaction and independent of the server's code."""
import dataclasses
import json

QUESTIONS = {
    "users": "select id, balance, version, event_version, event_stream from users",
    "products": "select p.id, p.price, p.is_active, p.per_user_limit, p.type, s.supply, s.sold from products p"
                " left join product_stock s on s.product_id = p.id",
    "inventory": "select user_id, product_id, quantity from inventory",
    "refunds": "select user_id, version, units from refunds",
    "rows": "select user_id, version, kind, status, product_id, quantity, amount, balance_after, item_quantity_after,"
            " reason, detail_1, detail_2, idempotency_key, request_id, extract(epoch from created_at)::float8 as created_at"
            " from transactions order by user_id, version",
    "events": "select stream, position, events, product is not null as of_product, users, first_versions, counts,"
              " after_streams, after_positions from event_log order by stream, position",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the journal."""
    user_id: int
    version: int
    kind: int
    status: int
    product_id: int
    quantity: int
    amount: int
    balance_after: int
    item_quantity_after: int
    reason: str
    detail_1: int
    detail_2: int
    idempotency_key: str
    request_id: str
    created_at: float

    @property
    def completed(self):
        return self.status == 2


@dataclasses.dataclass(frozen=True)
class LogRow:
    """One row of the event log."""
    stream: int
    position: int
    events: int
    of_product: bool
    users: list
    first_versions: list
    counts: list
    after_streams: list
    after_positions: list

    @property
    def place(self):
        return self.stream, self.position

    @property
    def ranges(self):
        """User, first version, number of versions."""
        return list(zip(self.users, self.first_versions, self.counts))

    @property
    def after(self):
        """Streams with the positions that are read before."""
        return list(zip(self.after_streams or (), self.after_positions or ()))


@dataclasses.dataclass
class Snapshot:
    """Users, products and inventory by id, the journal by user in the order of versions; units refunded by user and
    version of the purchase; the event log in the order of streams and positions."""
    users: dict
    products: dict
    inventory: dict
    refunds: dict
    journal: dict
    events: list

    @property
    def rows(self):
        return (row for rows in self.journal.values() for row in rows)


def take(database):
    select = ", ".join(f"(select coalesce(json_agg(to_json(q)), '[]') from ({text}) q) as {name}"
                       for name, text in QUESTIONS.items())
    # One statement sees one state.
    answer = json.loads(database.ask(f"select to_json(all_of_it) from (select {select}) all_of_it"))
    journal = {user["id"]: [] for user in answer["users"]}
    for row in answer["rows"]:
        journal.setdefault(row["user_id"], []).append(Row(**row))
    return Snapshot(users={u["id"]: u for u in answer["users"]}, products={p["id"]: p for p in answer["products"]},
                    inventory={(i["user_id"], i["product_id"]): i["quantity"] for i in answer["inventory"]},
                    refunds={(r["user_id"], r["version"]): r["units"] for r in answer["refunds"]}, journal=journal,
                    events=[LogRow(**row) for row in answer["events"]])
