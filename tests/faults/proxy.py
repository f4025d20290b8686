"""A TCP proxy before PostgreSQL or Redis that loses requests and answers."""
import random
import socket
import threading

# CommandComplete of COMMIT (PostgreSQL manual, 55.7): the commit has happened, its answer has not arrived.
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


class Proxy:
    """Forwards to 127.0.0.1:upstream, or to the Unix socket of that path. `lose_answers` and `lose_requests` are
    probabilities of cutting a connection before an answer that has `marker` in it, or before a piece of a request, is
    passed on; with `halves` after the first half of it."""

    def __init__(self, upstream, seed, marker=COMMITTED, halves=False):
        self.upstream, self.random = upstream, random.Random(f"{seed}/proxy")
        self.marker, self.halves = marker, halves
        self.lose_answers = self.lose_requests = 0.0
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
            threading.Thread(target=self._pump, args=(client, server, self._loses_request), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, self._loses_answer), daemon=True).start()

    def _connect(self):
        if isinstance(self.upstream, int):
            return socket.create_connection(("127.0.0.1", self.upstream))
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self.upstream))
        return server

    def _loses_request(self, _):
        return self.lose_requests and self.random.random() < self.lose_requests

    def _loses_answer(self, data):
        return self.lose_answers and self.marker in data and self.random.random() < self.lose_answers

    def _pump(self, source, sink, loses):
        try:
            while data := source.recv(65536):
                if loses(data):
                    self.cuts += 1
                    if self.halves:
                        sink.sendall(data[:len(data) // 2])
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
