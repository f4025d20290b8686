"""Prints ready-to-paste curl lines for a seeded server.

Reads COFFER_SEEDED (what `coffer seed --format json` printed), COFFER_LISTEN, COFFER_ADMIN_LISTEN and, when requests
need a key, COFFER_KEY.
"""

import json
import os

LOOPBACK = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


def url(variable, default):
    host, _, port = (os.environ.get(variable) or default).rpartition(":")
    return f"http://{LOOPBACK.get(host, host)}:{port}"


def main():
    seeded = json.loads(os.environ["COFFER_SEEDED"])
    api = url("COFFER_LISTEN", "127.0.0.1:8080")
    user = seeded["user_id"]
    consumable = next(p["id"] for p in seeded["products"] if p["type"] == "consumable")
    permanent = next(p["id"] for p in seeded["products"] if p["type"] == "permanent")
    key = os.environ.get("COFFER_KEY")
    curl = "curl -sS" + (f" -H 'Authorization: Bearer {key}'" if key else "")
    body = "-H 'Content-Type: application/json' -d"

    print(f"\ncoffer is ready at {api}; Ctrl-C stops it. Try:\n")
    for line in (
        f"{curl} {api}/products",
        f"{curl} {api}/users/{user}",
        f"{curl} {api}/users/{user}/add-funds -H 'Idempotency-Key: my-first-deposit' {body} '{{\"amount\":500}}'",
        f"{curl} {api}/products/{consumable}/purchase {body} '{{\"user_id\":{user},\"quantity\":2}}'",
        f"{curl} {api}/products/{permanent}/purchase {body} '{{\"user_id\":{user}}}'",
        f"{curl} {api}/products/{consumable}/use {body} '{{\"user_id\":{user}}}'",
        f"{curl} {api}/users/{user}/inventory",
        f"{curl} {api}/users/{user}/transactions",
        f"{curl} {api}/analytics/popular-products",
        f"curl -sS {url('COFFER_ADMIN_LISTEN', '127.0.0.1:8081')}/metrics",
    ):
        print("  " + line)
    print(flush=True)


if __name__ == "__main__":
    main()
