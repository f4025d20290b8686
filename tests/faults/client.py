"""A client of the server: one connection, one thread, everything it sends and hears in the history."""
import http.client
import json
import select
import socket
import threading
import time

from faults.history import FAIL, INFO, OK, Attempt

TIMEOUT = 8.0  # seconds; longer than the server's own deadline of 5
PATIENCE = 20.0  # seconds; with a change of a product


class Client:
    """Sends requests one after the other. `number` tells clients apart, `process` the servers they use."""

    def __init__(self, number, history, port, seed, process=0):
        self.number, self.history, self.port, self.seed, self.process = number, history, port, seed, process
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
        headers = {"Idempotency-Key": attempt.key} if attempt.key else {}
        answer = self._ask([attempt], self._message(attempt), headers, hang_up)
        if answer:
            self.history.complete(attempt, *answer)
        return attempt.outcome

    def send_batch(self, batch):
        """Fills in what became of each operation."""
        if batch.upload:
            body = "".join(json.dumps(self._line(a)) + "\n" for a in batch.operations)
            message, headers = ("POST", "/grants/bulk", body), {"Content-Type": "application/x-ndjson"}
        else:
            body = json.dumps({"user_id": batch.operations[0].user, "atomic": batch.atomic,
                               "operations": [self._operation(a) for a in batch.operations]})
            message, headers = ("POST", "/batch", body), {}
        answer = self._ask(batch.operations, message, headers)
        if not answer:
            return
        status, headers, text = answer
        if status != 200:
            for attempt in batch.operations:
                self.history.complete(attempt, status, headers, text)
            return
        told = self._lines(text) if batch.upload else dict(enumerate(json.loads(text)["operations"]))
        for n, attempt in enumerate(batch.operations):
            if n in told:  # of an answer that is torn not all is there
                answered = {"idempotent-replayed": str(told[n]["replayed"]).lower(), "retry-after": "with the batch"}
                self.history.complete(attempt, told[n]["status"], answered,
                                      json.dumps(told[n].get("receipt", told[n].get("problem"))))

    @staticmethod
    def _lines(text):
        """What an upload's answer says, by operation; of lines that are whole."""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return {line["line"] - 1: line for line in lines if "replayed" in line}

    def _ask(self, attempts, message, headers, hang_up=False):
        """One request for these attempts: status, headers and text of its answer, or None when none came. Of an upload
        as much as came."""
        self.sent += 1
        request_id = f"s{self.seed}-c{self.number}-{self.sent}"
        for attempt in attempts:
            attempt.client, attempt.request_id, attempt.process = self.number, request_id, self.process
            self.history.invoke(attempt)
        try:
            connection = self._connect()
        except OSError:
            for attempt in attempts:
                attempt.outcome = FAIL  # nothing was sent
            return None
        try:
            connection.request(*message, {"Content-Type": "application/json", **headers, "X-Request-Id": request_id})
            if hang_up:
                for attempt in attempts:
                    attempt.abandoned = True
                self.close()
                return None
            response = connection.getresponse()
            text = response.read().decode()
        except http.client.IncompleteRead as torn:
            self.close()
            if not attempts[0].batch or not attempts[0].batch.upload:
                return None
            return response.status, {}, torn.partial.decode()
        except (OSError, http.client.HTTPException):
            self.close()
            return None
        answered = {name.lower(): value for name, value in response.getheaders()}
        if answered.get("connection") == "close":
            self.close()
        return response.status, answered, text

    @staticmethod
    def _message(a):
        if a.kind == "inventory":
            return "GET", f"/users/{a.user}/inventory", None
        if a.kind == "popular":
            return "GET", "/analytics/popular-products", None
        if a.kind == "change":
            return "PATCH", f"/products/{a.product}", json.dumps(a.terms)
        if a.kind == "deposit":
            return "POST", f"/users/{a.user}/add-funds", json.dumps({"amount": a.quantity})
        if a.kind == "grant":
            return "POST", f"/users/{a.user}/grants", json.dumps({**Client._granted(a), "reason": "test"})
        if a.kind == "refund":
            what = {"quantity": a.quantity} if a.quantity else {}
            what |= {"up_to": True} if a.up_to else {}
            path = f"/users/{a.user}/transactions/{a.purchase}/refund"
            return "POST", path, json.dumps({**what, "force": a.force, "reason": "test"})
        body = json.dumps({"user_id": a.user, "quantity": a.quantity})
        return "POST", f"/products/{a.product}/{a.kind}", body

    @staticmethod
    def _operation(a):
        if a.kind == "deposit":
            return {"op": "add_funds", "amount": a.quantity, "idempotency_key": a.key}
        return {"op": a.kind, "product_id": a.product, "quantity": a.quantity, "idempotency_key": a.key}

    @staticmethod
    def _line(a):
        return {"user_id": a.user, **Client._granted(a), "reason": "test", "idempotency_key": a.key}

    @staticmethod
    def _granted(a):
        return {"product_id": a.product, "quantity": a.quantity} if a.product else {"credits": a.quantity}

    def insist(self, attempt, until):
        """Repeats an attempt with a key until its outcome is known or `until` (a threading.Event) is set."""
        outcome = self.send(attempt)
        while outcome == INFO and not until.wait(0.05):
            attempt = attempt.again()
            outcome = self.send(attempt)
        return attempt

    def change(self, product, **terms):
        """Changes the terms of a product; repeated with its key until that is done."""
        change = Attempt(0, "change", product=product, key=f"change-{self.number}-{self.sent}", terms=terms)
        end = time.monotonic() + PATIENCE
        while self.send(change) != OK:
            if time.monotonic() > end:
                raise RuntimeError(f"product {product} could not be changed: {change.status} {change.body}")
            time.sleep(0.05)
            change = change.again()

    def insist_batch(self, batch, until):
        """Repeats a batch until all outcomes are known or `until` is set."""
        self.send_batch(batch)
        while any(a.outcome == INFO for a in batch.operations) and not until.wait(0.05):
            batch = batch.again()
            self.send_batch(batch)
        return batch


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
