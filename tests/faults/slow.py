"""Clients that send too slowly, or do not read."""
import select
import socket
import threading
import time

HEAD = b"GET /products HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
READER = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100  # more than the buffers between here and there hold
DRIP = {"head": b"a: b\r\n", "body": b" ", "reader": b""}
ENDED = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class SlowClient:
    def __init__(self, port, kind):
        self.kind, self.ended = kind, None
        self.socket = socket.socket()
        if kind == "reader":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.began = time.monotonic()
        self.send({"head": HEAD, "body": BODY, "reader": READER}[kind])

    def send(self, data):
        try:
            self.socket.send(data)
        except OSError:
            pass  # it has been ended, which poll() tells


class SlowClients:
    """Connections of all three kinds. Notes when the server ends each."""

    def __init__(self, port, heads, bodies, readers):
        self.all, self.stopping, self.poll = [], threading.Event(), select.poll()
        for kind in ("head",) * heads + ("body",) * bodies + ("reader",) * readers:
            self.all.append(SlowClient(port, kind))
            time.sleep(0.002)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        open_now = {each.socket.fileno(): each for each in self.all}
        for descriptor in open_now:
            self.poll.register(descriptor, ENDED)
        drip_at = 0
        while open_now and not self.stopping.is_set():
            for descriptor, _ in self.poll.poll(50):
                open_now.pop(descriptor).ended = time.monotonic()
                self.poll.unregister(descriptor)
            if time.monotonic() > drip_at:
                drip_at = time.monotonic() + 0.5
                for each in open_now.values():
                    each.send(DRIP[each.kind])

    def wait(self, limit):
        """Until the server has ended all of them, or for `limit` seconds."""
        self.thread.join(limit)

    def close(self):
        self.stopping.set()
        self.thread.join()
        for each in self.all:
            each.socket.close()

    def not_ended(self, least, most):
        """Those that the server did not end between so many seconds after their beginning."""
        for kind in DRIP:
            took = [each.ended - each.began if each.ended else float("inf") for each in self.all if each.kind == kind]
            wrong = [seconds for seconds in took if not least <= seconds <= most]
            if wrong:
                yield (f"{len(wrong)} of {len(took)} slow connections ({kind}) were not ended after {least:.1f} to"
                       f" {most:.1f} s: after {min(wrong):.1f} to {max(wrong):.1f} s")
