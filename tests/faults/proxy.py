"""A TCP proxy before PostgreSQL or Redis that loses requests and answers."""
import random
import socket
import threading
import time

# CommandComplete of COMMIT (PostgreSQL manual, 55.7): the commit has happened, its answer has not arrived.
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
# In a Bind: the nameless portal, and the prepared statement with which a lane commits.
COMMITS = b"\x00batch_commit\x00"


class Link:
    """A connection through the proxy."""

    def __init__(self):
        self.commits = 0  # that were answered


class Proxy:
    """Forwards to 127.0.0.1:upstream, or to the Unix socket of that path. `lose_answers` and `lose_requests` are
    probabilities of cutting a connection before an answer that has `marker` in it, or before a piece of a request, is
    passed on; with `halves` after the first half of it. `lose_commits` is that of cutting one when a batch has been
    committed on it and the next is about to be: none, half or all of what is sent then is passed on. For up to `delay`
    seconds each piece of a request is held back."""

    def __init__(self, upstream, seed, marker=COMMITTED, halves=False):
        self.upstream, self.random = upstream, random.Random(f"{seed}/proxy")
        self.marker, self.halves = marker, halves
        self.lose_answers = self.lose_requests = self.lose_commits = self.delay = 0.0
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = self._connect()
            except OSError:
                if self.listener.fileno() < 0:
                    return
                client.close()
                continue
            for end in (client, server):
                if end.family != socket.AF_UNIX:
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link()
            threading.Thread(target=self._pump, args=(client, server, self._of_request, link), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, self._of_answer, link), daemon=True).start()

    def _connect(self):
        if isinstance(self.upstream, int):
            return socket.create_connection(("127.0.0.1", self.upstream))
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self.upstream))
        return server

    # How much of a piece is still passed on before the cut; None: all of it, and no cut.

    def _of_request(self, data, link):
        if self.delay:
            time.sleep(self.random.uniform(0, self.delay))
        if self.lose_requests and self.random.random() < self.lose_requests:
            return self._first(data)
        if self.lose_commits and link.commits and COMMITS in data and self.random.random() < self.lose_commits:
            return self.random.choice((0, len(data) // 2, len(data)))
        return None

    def _of_answer(self, data, link):
        if self.lose_answers and self.marker in data and self.random.random() < self.lose_answers:
            return self._first(data)
        link.commits += COMMITTED in data
        return None

    def _first(self, data):
        return len(data) // 2 if self.halves else 0

    def _pump(self, source, sink, cut, link):
        try:
            while data := source.recv(65536):
                passed_on = cut(data, link)
                if passed_on is not None:
                    self.cuts += 1
                    sink.sendall(data[:passed_on])
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()

    def close(self):
        self.listener.close()
