"""Others who write what a server's batches work with: an operator, the catalogue's keepers, another server."""
import collections
import itertools
import pathlib
import time

from faults.catalogue import fault, pause
from faults.client import Crowd
from faults.history import OK, Attempt
from faults.terms import Catalogue
from faults.workloads import PRICE

CORRECTION = pathlib.Path(__file__).parents[2] / "deploy/postgresql/correct_balance.sql"
CORRECTIONS = 24
CHANGES = 100
LATE = 0.02              # seconds; how long a piece of a request to the database is held back at the most
RUSH, BUYERS = 4.0, 4    # seconds, and clients of each server
FAIR_SHARE = 1 / 3


@fault("balances-corrected", all_answered=True)
def balances_corrected(run):
    """An operator changes balances and their versions by SQL, between the batches of those who buy: nobody may notice."""
    wallets = itertools.cycle([(user, 4 * PRICE) for user in run.world.hot] + [(run.world.bank[0], -3)])
    for user, credits in itertools.islice(wallets, CORRECTIONS):
        correct(run, user, credits)
        pause(0.05)
    return run.disturbed()


def correct(run, user, credits):
    """As docs/OPERATIONS.md says. In the history it is a grant that was answered when the cache had been cleared."""
    by_hand = Attempt(-1, "grant", user, quantity=credits)
    run.history.invoke(by_hand)
    try:
        shown = run.database.run_script(CORRECTION, user=user, credits=credits, note="a fault")
    except RuntimeError as refused:
        # Who takes credits may come when others have spent them.
        if credits > 0 or "transactions_numbers_check" not in str(refused):
            raise
        run.history.withdraw(by_hand)
        return
    version, balance, by_hand.request_id = shown.split("|")
    run.coffer.clear_cache()
    row = {"version": int(version), "amount": abs(credits), "quantity": 0, "balance_after": int(balance),
           "request_id": by_hand.request_id}
    run.history.note(by_hand, {"transaction": row, "version": int(version)})


@fault("catalogue-changed", product_inactive=5, limit_reached=5)
def catalogue_changed(run):
    """Prices, activity and limits change all the time, and requests reach the database late, so that much is decided by
    terms that others have changed before it is committed."""
    client = run.clients[0]
    *priced, switched, limited = run.world.products
    began = time.monotonic()
    run.proxy.delay = LATE
    for n in range(CHANGES):
        client.change(priced[n % len(priced)], price=PRICE + n % 5)
        if n % 5 == 0:
            client.change(switched, is_active=n % 2 == 1)
            client.change(limited, per_user_limit=None if n % 2 else 1 + n % 3)
    run.proxy.delay = 0
    client.change(switched, is_active=True)
    client.change(limited, per_user_limit=None)
    # By terms that were not in force any more when the buyer was told.
    catalogue = Catalogue(run.history)
    overtaken = sum(a.answer["transaction"]["amount"] not in {a.quantity * terms.price for terms in catalogue.between(
        a.product, a.completed, a.completed)} for a in list(run.history.bought) if a.invoked >= began and not a.replayed)
    run.measured |= {"overtaken": overtaken}
    return [] if overtaken >= 5 else [f"only {overtaken} purchases were overtaken by a change of their price"]


@fault("two-servers", processes=2)
def two_servers(run):
    """Two servers share all users, and for a while spend one wallet as fast as they can: neither is starved."""
    wallet, product = run.world.bystanders[0], run.world.products[0]
    run.clients[0].send(Attempt(0, "deposit", wallet, quantity=1_000_000_000, key="rush"))
    buyers = [client for process in range(len(run.servers)) for client in run.further_clients(BUYERS, process)]
    rush = Crowd(buyers, lambda client, _: client.send(Attempt(0, "purchase", wallet, product, 1)))
    pause(RUSH)
    rush.stop()
    made = collections.Counter(a.process for a in run.history.attempts
                               if a.user == wallet and a.kind == "purchase" and a.outcome == OK)
    run.measured |= {"shares": dict(made)}
    return [f"server {n} made {made[n]} of {made.total()} purchases" for n in range(len(run.servers))
            if made[n] < FAIR_SHARE * made.total() or made.total() < 100] + run.disturbed()
