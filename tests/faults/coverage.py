"""Whether a run has seen enough for its verdict to mean anything."""
import collections

from faults.history import FAIL, INFO, OK

HOT_USERS, HOT_SHARE = 5, 0.3


def counts(history):
    """How many attempts of each kind that a verdict needs."""
    writes = history.writes()
    by_user = collections.Counter(a.user for a in writes)
    hottest = sum(number for _, number in by_user.most_common(HOT_USERS))
    return {
        "ok": sum(a.outcome == OK for a in writes),
        "insufficient_funds": sum(a.code == "insufficient_funds" for a in writes),
        "already_owned": sum(a.code == "already_owned" for a in writes),
        "not_enough_items": sum(a.code == "not_enough_items" for a in writes),
        "sold_out": sum(a.code == "sold_out" for a in writes),
        "product_inactive": sum(a.code == "product_inactive" for a in writes),
        "limit_reached": sum(a.code == "limit_reached" for a in writes),
        "granted": sum(a.kind == "grant" and a.outcome == OK for a in writes),
        "refunded": sum(a.kind == "refund" and a.outcome == OK for a in writes),
        "not_refundable": sum(a.code == "not_refundable" for a in writes),
        "already_refunded": sum(a.code == "already_refunded" for a in writes),
        "batched": sum(a.batch is not None and a.batch.atomic and a.outcome == OK for a in writes),
        "uploaded": sum(a.batch is not None and a.batch.upload and a.outcome == OK for a in writes),
        "not_executed": sum(a.code == "not_executed" for a in writes),
        "key_reused": sum(a.code == "idempotency_key_reused" for a in writes),
        "not_applied": sum(a.outcome == FAIL and a.status == 503 for a in writes),
        "turned_away": sum(a.status == 503 for a in writes),
        "unknown": sum(a.outcome == INFO and not a.abandoned for a in writes),
        "abandoned": sum(a.abandoned for a in writes),
        "abandoned_settled": sum(settled(attempts) for attempts in history.by_key().values()),
        "replayed": sum(a.replayed for a in writes),
        "reads": sum(a.kind == "inventory" and a.outcome == OK for a in history.attempts),
        "popular": sum(a.kind == "popular" and a.outcome == OK for a in history.attempts),
        "hot_percent": round(100 * hottest / len(writes)) if writes else 0,
    }


def settled(attempts):
    """Whether a client went away, came back with its key and was told the outcome."""
    gone = next((n for n, a in enumerate(attempts) if a.abandoned), None)
    return gone is not None and any(a.outcome != INFO and a.status < 500 for a in attempts[gone + 1:])


# What every run must have; a fault adds its own.
ALWAYS = {"ok": 200, "insufficient_funds": 10, "already_owned": 5, "not_enough_items": 5, "sold_out": 5,
          "granted": 10, "refunded": 10, "not_refundable": 3, "already_refunded": 3, "batched": 10, "uploaded": 10,
          "not_executed": 3, "key_reused": 3, "replayed": 20, "reads": 50, "popular": 3, "abandoned": 5,
          "abandoned_settled": 3,
          "hot_percent": round(100 * HOT_SHARE)}


def missing(history, also):
    """What there was too little of, as text."""
    seen = counts(history)
    return [f"{name}: {seen[name]}, at least {least} are needed" for name, least in {**ALWAYS, **also}.items()
            if seen[name] < least]
