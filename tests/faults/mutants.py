"""Servers that are wrong on purpose: for each invariant a fault in the database's SQL that the checker must find.

A mutant is a trigger or a statement of its own, given to a run's database before the load or in the middle of it."""
import dataclasses

from faults.catalogue import CATALOGUE, Fault
from faults.workloads import PRICE


@dataclasses.dataclass(frozen=True)
class Mutant:
    """`setup` before the load, `midway` during it; `caught_by`: the invariant that must notice; `during`: the fault in
    which it shows, nothing for one that always does."""
    caught_by: str
    what: str
    setup: tuple = ()
    midway: tuple = ()
    during: str = ""

    @property
    def fault(self):
        return CATALOGUE.get(self.during) or Fault("", lambda run: None)


def trigger(table, when, body):
    """A row trigger that runs `body`, which returns the row that is written."""
    return (f"create function mutant() returns trigger language plpgsql as $$ begin {body} return new; end $$",
            f"create trigger mutant before {when} on {table} for each row execute function mutant()")


SOMETIMES = "random() < 0.05"
# In a trigger on refunds, which are counted after wallets and inventories have been written.
THE_REFUND = ("(select * from transactions where user_id = new.user_id and kind = 4 and status = 2"
              " and detail_1 = new.version order by version desc limit 1)")

MUTANTS = (
    Mutant("I1", "a purchase is booked with another amount",
           trigger("transactions", "insert", f"if new.kind = 2 and new.status = 2 and {SOMETIMES} then"
                   " new.amount := new.amount + 1; end if;")),
    Mutant("I2", "a refused purchase is booked as completed",
           trigger("transactions", "insert", "if new.kind = 2 and new.status = 3 then"
                   " new.status := 2; new.reason := null; end if;")),
    Mutant("I3", "a request is carried out twice",
           trigger("transactions", "insert", "if new.version < 1000000 and new.kind = 2 and new.idempotency_key is null"
                   " then insert into transactions (user_id, version, kind, status, product_id, quantity, amount,"
                   " balance_after, item_quantity_after, reason, request_id) values (new.user_id,"
                   " new.version + 1000000, new.kind, new.status, new.product_id, new.quantity, new.amount,"
                   " new.balance_after, new.item_quantity_after, new.reason, new.request_id); end if;")),
    Mutant("I3", "an atomic batch happens in part",
           trigger("transactions", "insert", "if new.idempotency_key like '%.1' and new.status = 2 then"
                   " new.status := 3; new.reason := 'insufficient_funds'; end if;")),
    Mutant("I4", "a row appears that nobody asked for",
           midway=("insert into transactions (user_id, version, kind, status, quantity, amount, balance_after,"
                   " request_id) select id, 2000000, 1, 2, 0, 1, 0, 'nobody' from users limit 1",)),
    Mutant("I4", "a row appears of a user that there is not",
           midway=("insert into transactions (user_id, version, kind, status, quantity, amount, balance_after,"
                   " request_id) values (9000000, 1, 1, 2, 0, 1, 1, 'nobody')",)),
    Mutant("I5", "a wallet gains a credit", trigger("users", "update", f"if {SOMETIMES} then"
                                                    " new.balance := new.balance + 1; end if;")),
    Mutant("I5", "a refund gives its credits back twice",
           trigger("refunds", "insert", f"update users u set balance = u.balance + r.amount from {THE_REFUND} r"
                   " where u.id = new.user_id;")),
    Mutant("I5", "a grant that takes credits is booked as one that gives",
           trigger("transactions", "insert", "if new.kind = 5 and new.product_id is null then"
                   " new.detail_1 := null; end if;")),
    Mutant("I6", "a wallet was overdrawn",
           midway=("alter table transactions drop constraint transactions_numbers_check",
                   "update transactions set balance_after = -1 where (user_id, version) in"
                   " (select user_id, version from transactions limit 1)")),
    Mutant("I7", "an item is given twice", trigger("inventory", "update", f"if {SOMETIMES} then"
                                                   " new.quantity := new.quantity + 1; end if;")),
    Mutant("I7", "a refund leaves the item",
           trigger("refunds", "insert", f"update inventory i set quantity = i.quantity + r.quantity - r.detail_2"
                   f" from {THE_REFUND} r where i.user_id = r.user_id and i.product_id = r.product_id;")),
    Mutant("I7", "a refund is forgotten, and its purchase refunded again",
           trigger("refunds", "insert", "return null;")),
    Mutant("I7", "a piece that is given back is not for sale again",
           trigger("product_stock", "update", "new.supply := least(new.supply, old.supply);")),
    Mutant("I8", "a replay tells something else than the first answer",
           trigger("transactions", "insert", "if new.idempotency_key is not null and new.status = 2 then"
                   " new.item_quantity_after := new.item_quantity_after + 1; end if;")),
    Mutant("I9", "an acknowledged row is lost",
           midway=("delete from transactions t using users u where u.id = t.user_id and u.version = t.version"
                   " and t.kind = 2",)),
    Mutant("I10", "a version is left out",
           trigger("users", "update", f"if {SOMETIMES} then new.version := new.version + 1; end if;")),
    Mutant("I10", "what is left of a purchase is not refunded",
           trigger("refunds", "insert", "new.units := (select quantity from transactions"
                   " where user_id = new.user_id and version = new.version);")),
    Mutant("I11", "an inventory is not written",
           trigger("inventory", "update", f"if {SOMETIMES} then new := old; end if;")),
    Mutant("I12", "a sale counts three times",
           trigger("sales_counters", "update", "new.purchases := new.purchases + 200;")),
    Mutant("I12", "a sale is not counted", trigger("sales_counters", "update", "new := old;")),
    Mutant("I12", "a refund takes too much off the sales",
           trigger("refunded_sales", "insert", "new.purchases := new.purchases + 200;")),
    Mutant("I12", "nothing is counted", trigger("sales_counters", "insert", "return null;")),
    Mutant("I12", "units are forgotten", trigger("sales_counters", "update", "new.units := old.units;")),
    Mutant("I13", "a row stays pending",
           trigger("transactions", "insert", f"if {SOMETIMES} then new.status := 1; end if;")),
    Mutant("I14", "nothing can be written any more",
           midway=("create function mutant() returns trigger language plpgsql as"
                   " $$ begin raise 'mutant' using errcode = '40001'; end $$",
                   "create trigger mutant before insert on transactions for each row execute function mutant()")),
    Mutant("I9", "commits do not wait for the standby",
           ("alter system set synchronous_commit = local", "select pg_reload_conf()"), during="standby-waits-cancelled"),
    Mutant("I15", "a purchase is at the first price there was",
           trigger("transactions", "insert", "if new.kind = 2 and new.status = 2 then"
                   f" new.amount := new.quantity * {PRICE}; end if;"), during="catalogue-changed"),
    Mutant("I15", "what is not for sale is sold", trigger("products", "update", "new.is_active := true;"),
           during="catalogue-changed"),
    Mutant("I15", "more is sold than the limit allows", trigger("products", "update", "new.per_user_limit := null;"),
           during="catalogue-changed"),
    Mutant("I16", "a batch is not told of",
           trigger("event_log", "insert", f"if {SOMETIMES} then return null; end if;")),
    Mutant("I16", "a version is told of that there is not",
           trigger("event_log", "insert", f"if new.product is null and {SOMETIMES} then"
                   " new.counts[1] := new.counts[1] + 1; new.events := new.events + 1; end if;")),
    Mutant("I16", "what was told is told again",
           trigger("users", "update", f"if {SOMETIMES} then new.event_version := old.event_version; end if;")),
    Mutant("I16", "nobody knows what comes before, in another stream",
           trigger("event_log", "insert", "new.after_streams := null; new.after_positions := null;"),
           during="two-servers"),
    Mutant("I16", "a row comes after one that never comes",
           trigger("event_log", "insert", "if new.stream = 0 then"
                   " new.after_positions[1] := new.after_positions[1] + 1000000; end if;"), during="balances-corrected"),
    Mutant("I17", "a webhook's place moves on too far",
           midway=("update webhook_places set revision = revision + 1, positions ="
                   " array(select position + 50 from unnest(positions) as position)",), during="webhooks-sent"),
    Mutant("I17", "what a webhook has refused is not kept",
           trigger("webhook_deliveries", "insert", "if new.number > 0 then return null; end if;"), during="webhooks-sent"),
)


def midway(mutant):
    """As a fault: what the mutant does during the load."""
    def inject(run):
        for statement in mutant.midway:
            run.database.ask(statement)
        return mutant.fault.inject(run)
    return inject
