"""A client of the server: one connection, one thread, everything it sends and hears in the history."""
import http.client
import json
import select
import socket
import threading

from faults.history import FAIL, INFO

TIMEOUT = 8.0  # seconds; longer than the server's own deadline of 5


class Client:
    """Sends requests one after the other. `number` tells clients apart."""

    def __init__(self, number, history, port, seed):
        self.number, self.history, self.port, self.seed = number, history, port, seed
        self.sent = 0
        self.connection = None

    def _connect(self):
        if self.connection is not None and select.select([self.connection.sock], [], [], 0)[0]:
            self.close()  # the server has closed it since the last answer
        if self.connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection = connection
        return self.connection

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def send(self, attempt, hang_up=False):
        """Fills in what became of the attempt and gives its outcome. With `hang_up` the answer is not waited for."""
        self.sent += 1
        attempt.client, attempt.request_id = self.number, f"s{self.seed}-c{self.number}-{self.sent}"
        method, path, body = self._message(attempt)
        headers = {"X-Request-Id": attempt.request_id, "Content-Type": "application/json"}
        if attempt.key:
            headers["Idempotency-Key"] = attempt.key
        self.history.invoke(attempt)
        try:
            connection = self._connect()
        except OSError:
            attempt.outcome = FAIL  # nothing was sent
            return FAIL
        try:
            connection.request(method, path, body, headers)
            if hang_up:
                attempt.abandoned = True
                self.close()
                return INFO
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException):
            self.close()
            return INFO
        answered = {name.lower(): value for name, value in response.getheaders()}
        self.history.complete(attempt, response.status, answered, text)
        if answered.get("connection") == "close":
            self.close()
        return attempt.outcome

    @staticmethod
    def _message(a):
        if a.kind == "inventory":
            return "GET", f"/users/{a.user}/inventory", None
        if a.kind == "popular":
            return "GET", "/analytics/popular-products", None
        if a.kind == "deposit":
            return "POST", f"/users/{a.user}/add-funds", json.dumps({"amount": a.quantity})
        if a.kind == "grant":
            what = {"product_id": a.product, "quantity": a.quantity} if a.product else {"credits": a.quantity}
            return "POST", f"/users/{a.user}/grants", json.dumps({**what, "reason": "test"})
        if a.kind == "refund":
            what = {"quantity": a.quantity} if a.quantity else {}
            path = f"/users/{a.user}/transactions/{a.purchase}/refund"
            return "POST", path, json.dumps({**what, "force": a.force, "reason": "test"})
        body = json.dumps({"user_id": a.user, "quantity": a.quantity})
        return "POST", f"/products/{a.product}/{a.kind}", body

    def insist(self, attempt, until):
        """Repeats an attempt with a key until its outcome is known or `until` (a threading.Event) is set."""
        outcome = self.send(attempt)
        while outcome == INFO and not until.wait(0.05):
            attempt = attempt.again()
            outcome = self.send(attempt)
        return attempt


class Crowd:
    """Clients that each carry out a workload's steps in a thread of their own until stop()."""

    def __init__(self, clients, step):
        self.clients, self.step = clients, step
        self.stopping = threading.Event()
        self.broken = []  # exceptions of the test itself
        self.threads = [threading.Thread(target=self._run, args=(c,), daemon=True) for c in clients]
        for thread in self.threads:
            thread.start()

    def _run(self, client):
        try:
            while not self.stopping.is_set():
                self.step(client, self.stopping)
        except Exception as failure:  # pylint: disable=broad-exception-caught
            self.broken.append(failure)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(TIMEOUT + 5)
            if thread.is_alive():
                self.broken.append(RuntimeError("a client does not end"))
        if self.broken:
            raise self.broken[0]
