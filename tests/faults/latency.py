"""How long answers take."""
import http.client
import math
import threading
import time


def p99(seconds):
    """Of a list of durations; none at all is infinitely slow."""
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1] if seconds else math.inf


def of_attempts(history, spans):
    """Durations of the attempts sent within the spans whose clients waited; without an answer: infinite."""
    return [a.completed - a.invoked for a in history.attempts
            if not a.abandoned and any(begin <= a.invoked < end for begin, end in spans)]


class Watcher:
    """Asks for paths in turn, in a thread of its own, until stop(); `answers`: path, time of sending,
    seconds, status, headers."""

    def __init__(self, port, *paths):
        self.port, self.paths, self.answers = port, paths, []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=8)
        while not self.stopping.wait(0.01):
            for path in self.paths:
                began = time.monotonic()
                try:
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    answer.read()
                    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}
                except (OSError, http.client.HTTPException):
                    connection.close()
                    found = 0, {}
                self.answers.append((path, began, time.monotonic() - began, *found))
        connection.close()

    def stop(self):
        self.stopping.set()
        self.thread.join()
        return self.answers
