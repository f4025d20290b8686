"""Prints where everything of a seeded server is, and ready-to-paste curl lines. Its argument is the state directory.

Reads COFFER_SEEDED (what `coffer seed --format json` printed), COFFER_LISTEN, COFFER_ADMIN_LISTEN,
COFFER_TLS_CERTIFICATE, DATABASE_URL, REDIS_URL and, when requests need a key, COFFER_KEY.
"""

import json
import os
import re
import sys

LOOPBACK = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


def setting(variable, default):
    value = os.environ.get(variable) or default
    return None if value == "none" else value


def url(scheme, address):
    host, _, port = address.rpartition(":")
    return f"{scheme}://{LOOPBACK.get(host, host)}:{port}"


def without_password(text):
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", text)


def main():
    seeded = json.loads(os.environ["COFFER_SEEDED"])
    tls = setting("COFFER_TLS_CERTIFICATE", "none")
    api = url("https" if tls else "http", setting("COFFER_LISTEN", "127.0.0.1:8080"))
    admin = setting("COFFER_ADMIN_LISTEN", "127.0.0.1:8081")
    user = seeded["user_id"]
    consumable = next(p["id"] for p in seeded["products"] if p["type"] == "consumable")
    permanent = next(p["id"] for p in seeded["products"] if p["type"] == "permanent")
    key = os.environ.get("COFFER_KEY")
    # The certificate of a first try is hardly one that curl trusts.
    plain = "curl -sS" + (" --insecure" if tls else "")
    curl = plain + (f" -H 'Authorization: Bearer {key}'" if key else "")
    body = "-H 'Content-Type: application/json' -d"

    print(f"\ncoffer is ready at {api}; Ctrl-C stops it.\n")
    for name, value in (
        ("documentation", f"{api}/docs"),
        ("metrics", f"{url('http', admin)}/metrics" if admin else "none (COFFER_ADMIN_LISTEN)"),
        ("database", without_password(os.environ["DATABASE_URL"])),
        ("cache", without_password(os.environ["REDIS_URL"])),
        ("data", sys.argv[1]),
        ("commands", "script/coffer ARGUMENT..., for example script/coffer verify"),
    ):
        print(f"  {name:<14} {value}")
    print("\nTry:\n")
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
    ):
        print("  " + line)
    print(flush=True)


if __name__ == "__main__":
    main()
