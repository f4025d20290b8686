"""Says which of the addresses in COFFER_LISTEN and COFFER_ADMIN_LISTEN somebody else listens on; exit 1 then."""

import os
import socket
import sys


def taken(address):
    """Why nobody can listen there; None when it is free or no address (which is the server's to refuse)."""
    host, _, port = address.rpartition(":")
    try:
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), int(port)))
            probe.listen(1)
    except OSError as problem:
        return problem.strerror
    except (ValueError, OverflowError):
        return None
    return None


def main():
    wrong = 0
    for variable, default in (("COFFER_LISTEN", "127.0.0.1:8080"), ("COFFER_ADMIN_LISTEN", "127.0.0.1:8081")):
        address = os.environ.get(variable) or default
        why = None if address == "none" else taken(address)
        if why:
            print(f"script/server: {address} cannot be listened on: {why}. {variable} chooses another address",
                  file=sys.stderr)
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
