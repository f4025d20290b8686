"""Processes that answer HTTP: `coffer serve` on a database of its own, alone or two on one, and the bare epoll
responder. `members` are the processes that share the clients, `wires` the pids of what lies between them and the
database."""
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Should the benchmark be killed, what it started is told to end.
WITH_US = ("setpriv", "--pdeathsig", "TERM")


class Coffer:
    """A server process with the defaults, except for the flags given. `key` is what its clients need, if anything."""
    wires = ()

    def __init__(self, env, database, flags=(), key=None, url=None):
        self.env, self.database, self.key = env, database, key
        self.members = [self]
        self.port, self.admin_port = free_port(), free_port()
        self.log = open(env.state / f"{database}.log", "ab")
        command = [*WITH_US, env.coffer, "serve", "--listen", f"127.0.0.1:{self.port}", "--admin-listen",
                   f"127.0.0.1:{self.admin_port}", "--log-level", "warn", "--redis-prefix", f"{database}:", *flags]
        self.process = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url or env.url(database)},
                                        stdout=self.log, stderr=self.log)
        self._wait_ready()

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def _wait_ready(self):
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.address + "/readyz", timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        self.stop()
        said = (self.env.state / f"{self.database}.log").read_text(errors="replace")
        raise RuntimeError(f"coffer on {self.database} is not ready: {said.strip()[-2000:]}")

    def metrics(self):
        """Every series of /metrics, by its name with labels as it is written there."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}

    def send(self, method, path, body):
        """The status of one request, and what was answered if it is a success."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.address + path, body.encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, None

    def post(self, path, body):
        """The status of one request."""
        return self.send("POST", path, body)[0]

    def stop(self):
        """Drains it. Dying otherwise than it should is an error of the run."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.log.close()
        return status


class Pair:
    """Two processes on one database and one cache. A user's requests come to either."""
    key, wires = None, ()

    def __init__(self, env, database, flags):
        self.database = database
        self.members = [Coffer(env, database, flags) for _ in range(2)]

    def stop(self):
        return max(abs(member.stop()) for member in self.members)


class Program:
    """A program of the benchmark that listens and prints its port."""

    def __init__(self, env, name, *arguments):
        self.process = subprocess.Popen([*WITH_US, env.programs / name, *map(str, arguments)], stdout=subprocess.PIPE,
                                        text=True)
        self.port = int(self.process.stdout.readline())

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        return 0


class Remote(Coffer):
    """A server that each byte takes `delay_us` microseconds to or from its database."""

    def __init__(self, env, database, flags, delay_us):
        self.wire = Program(env, "slow_wire", env.postgres_socket(), delay_us)
        self.wires = (self.wire.pid,)
        super().__init__(env, database, flags, url=env.url(database, self.wire.port))

    def stop(self):
        status = super().stop()
        self.wire.stop()
        return status


class Told(Coffer):
    """A server that tells a receiver of every purchase."""

    def __init__(self, env, database, flags):
        self.sink = Program(env, "webhook_sink")
        self.wires = (self.sink.pid,)
        super().__init__(env, database, flags)
        self.sold_before = self._sold()
        body = {"url": f"http://127.0.0.1:{self.sink.port}", "types": ["purchase.completed"]}
        status, made = self.send("POST", "/webhooks", json.dumps(body))
        if status != 201:
            raise RuntimeError(f"the webhook could not be made: {status}")
        self.webhook = f"/webhooks/{json.loads(made)['id']}"
        while self.metrics()['coffer_webhooks{state="active"}'] < 1:
            time.sleep(0.1)

    def _sold(self):
        return self.env.ask_json("select count(*) from transactions where kind = 2 and status = 2",
                                 database=self.database)["count"]

    def sold(self):
        """Purchases since the webhook was made."""
        return self._sold() - self.sold_before

    def tell(self, on):
        """Switches the webhook on or off."""
        if self.send("PATCH", self.webhook, json.dumps({"is_active": on}))[0] != 200:
            raise RuntimeError("the webhook could not be switched")

    def ask_sink(self, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.sink.port}/", method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())

    def received(self, timeout=120):
        """What the receiver says, as soon as it has every purchase."""
        end, sold = time.monotonic() + timeout, self.sold()
        while (found := self.ask_sink())["events"] < sold:
            if time.monotonic() > end:
                raise RuntimeError(f"the receiver has {found['events']} of {sold} purchases")
            time.sleep(0.1)
        return found

    def stop(self):
        self.send("DELETE", self.webhook, "")
        status = super().stop()
        self.sink.stop()
        return status


class EpollFloor(Program):
    """The cheapest responder: what GET /livez is measured against."""
    database = key = None
    wires = ()

    def __init__(self, env):
        super().__init__(env, "epoll_floor", 0)
        self.members = [self]

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def metrics(self):
        return {}
