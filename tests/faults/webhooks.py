"""A receiver of webhooks as a process of its own, and what it was sent held against the journal."""
import collections
import http.server
import json
import pathlib
import subprocess
import sys
import threading
import time
import urllib.request
import zlib

from faults.history import KINDS
from faults.processes import free_port, wait_for

TYPES = [f"{kind}.{status}" for kind in KINDS for status in ("completed", "failed")] + ["user.created", "product.changed"]
STATUSES = {"completed": 2, "failed": 3}
REFUSED = 97  # of so many events one is refused at its first attempt
# Seconds without anything new: another relay has begun by then, and what was refused is tried again.
NOTHING_MORE_AFTER = 15.0


class Receiver:
    """Writes a line for each attempt, in the order in which they began: the answer's status, and the event."""

    def __init__(self, folder):
        self.port = free_port()
        self.file = folder / f"webhook-{self.port}.lines"
        self.file.touch()
        self.process = subprocess.Popen([sys.executable, "-B", "-m", "faults.webhooks", str(self.port), str(self.file)],
                                        cwd=pathlib.Path(__file__).parents[1])
        wait_for(self._listens, 20, "the receiver of webhooks")

    def _listens(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask_for_all(self, server):
        """Makes a webhook of all types of events."""
        body = json.dumps({"url": f"http://127.0.0.1:{self.port}/", "types": TYPES}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{server.port}/webhooks", body,
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 201

    def attempts(self):
        """Status and event of each attempt so far."""
        with open(self.file, encoding="utf-8") as lines:
            return [(int(line[:3]), json.loads(line[4:])) for line in lines if line.endswith("\n")]

    def stop(self):
        self.process.kill()
        self.process.wait()


def expected_ids(snapshot):
    return {f"{user}-0" for user in snapshot.users} | {f"{row.user_id}-{row.version}" for row in snapshot.rows}


def caught_up(receiver, snapshot):
    """Waits until everything was accepted, or nothing more comes."""
    wanted, count, since = expected_ids(snapshot), -1, time.monotonic()
    while time.monotonic() < since + NOTHING_MORE_AFTER:
        accepted = {event["id"] for status, event in receiver.attempts() if status == 204}
        if wanted <= accepted:
            return
        if len(accepted) > count:
            count, since = len(accepted), time.monotonic()
        time.sleep(0.5)


def wrong_deliveries(snapshot, attempts):
    """Every row of the journal, and every user, was accepted at least once, nothing else was sent, and the first
    attempts are in the order of each user's versions."""
    rows = {f"{row.user_id}-{row.version}": row for row in snapshot.rows}
    accepted = {event["id"] for status, event in attempts if status == 204}
    missing = sorted(expected_ids(snapshot) - accepted)
    if missing:
        yield f"{len(missing)} events were never accepted, such as {missing[:5]}"
    tried, newest = set(), collections.defaultdict(lambda: -1)
    for _, event in attempts:
        if event["type"] == "product.changed" or event["id"] in tried:
            continue
        tried.add(event["id"])
        user, version = event["user_id"], event["version"]
        if version != newest[user] + 1:
            yield f"version {version} of user {user} was sent first behind version {newest[user]}"
        newest[user] = version
        row = rows.get(event["id"])
        if version == 0:
            if user not in snapshot.users:
                yield f"user {user} was made known, and is not there"
        elif row is None:
            yield f"{event['id']} was sent, and is not in the journal"
        else:
            kind, _, status = event["type"].partition(".")
            told = event["data"]["transaction"]
            if (KINDS[kind], STATUSES[status], told["request_id"], told["balance_after"]) != (
                    row.kind, row.status, row.request_id, row.balance_after):
                yield f"{event} was sent of {row}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    lock, seen = threading.Lock(), set()

    def do_GET(self):  # pylint: disable=invalid-name
        self._answer(200)

    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        name = self.headers["webhook-id"]
        with self.lock:
            refuses = name not in self.seen and zlib.crc32(name.encode()) % REFUSED == 0
            self.seen.add(name)
            self.server.file.write(f"{500 if refuses else 204} {body}\n")
            self.server.file.flush()
        self._answer(500 if refuses else 204)

    def _answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 64

    def handle_error(self, *_):
        """Senders that are killed break their connections."""


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    with open(sys.argv[2], "a", encoding="utf-8") as server.file:
        server.serve_forever()
