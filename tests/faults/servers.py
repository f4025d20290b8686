"""Redis, coffer and the place of a run, in which everything lies in one scratch folder."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import urllib.request

from faults.postgres import APPLICATION, OWNER, Database, Postgres
from faults.processes import free_port, wait_for

READY_WITHIN = 30.0
SERVE_ROLE = pathlib.Path(__file__).parents[2] / "deploy/postgresql/serve_role.sql"
# How a sanitizer's report begins, in a server that was built with one.
REPORTS = ("WARNING: ThreadSanitizer", "ERROR: AddressSanitizer", "runtime error:", "ERROR: LeakSanitizer")


class Redis:
    def __init__(self, folder):
        self.folder, self.process = folder, None
        self.socket = folder / "s"
        folder.mkdir()
        self.start()

    @property
    def url(self):
        return f"unix://{self.socket}"

    def start(self, *options, wait=True):
        self.process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir",
                                         self.folder, *options], stdout=subprocess.DEVNULL)
        if wait:
            self.wait()

    def wait(self):
        wait_for(lambda: self.ask("ping") == "PONG", 10, "Redis")

    def ask(self, *words):
        done = subprocess.run(["redis-cli", "-s", self.socket, *words], capture_output=True, text=True, timeout=20)
        return done.stdout.strip()

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Coffer:
    """A server process; started again on the same ports."""

    def __init__(self, binary, folder, database_url, redis_url, **settings):
        self.port, self.admin_port = free_port(), free_port()
        self.binary, self.log = binary, open(folder / f"coffer-{self.port}.log", "ab")
        self.environment = {
            **os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url, "COFFER_LOG_FORMAT": "json",
            "COFFER_LISTEN": f"127.0.0.1:{self.port}", "COFFER_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
            "COFFER_REDIS_PREFIX": f"{self.port}:", "COFFER_LOG_LEVEL": "warn", **settings}
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.binary, "serve"], env=self.environment, stdout=self.log, stderr=self.log)
        wait_for(self.ready, READY_WITHIN, "the server")

    def ended(self):
        """How it ended, with the last line that it said; empty while it runs."""
        if self.process.poll() is None:
            return ""
        said = pathlib.Path(self.log.name).read_text(errors="replace").splitlines()
        return f"the server ended with {self.process.returncode}: {said[-1] if said else 'without a word'}"

    def ready(self):
        if ended := self.ended():
            raise RuntimeError(ended)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1):
                return True
        except OSError:
            return False

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}

    def total(self, name, label):
        """The sum of a metric's series that have a label."""
        return int(sum(value for series, value in self.metrics().items() if series.startswith(name + "{") and
                       label in series))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident_mb(self):
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def verify(self, database_url):
        """The violated rules of `coffer verify`, as text; empty when the books are right."""
        done = subprocess.run([self.binary, "verify", "--format", "json"], capture_output=True, text=True,
                              env={**self.environment, "DATABASE_URL": database_url})
        if done.returncode == 0:
            return []
        if done.returncode != 1:
            return [f"coffer verify ended with {done.returncode}: {done.stderr.strip()}"]
        rules = json.loads(done.stdout)["rules"]
        return [f"{rule}: {found['violations']}" for rule, found in rules.items() if found["violations"]]

    def clear_cache(self):
        subprocess.run([self.binary, "cache", "clear"], env=self.environment, check=True, capture_output=True)

    def reports(self):
        """The lines of its output in which a sanitizer reports."""
        text = pathlib.Path(self.log.name).read_text(errors="replace")
        return [line for line in text.splitlines() if any(report in line for report in REPORTS)]

    def terminate(self, limit=20):
        self.process.terminate()
        return self.process.wait(limit)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.kill()
        self.log.close()


class Place:
    """The clusters and servers of a suite's run, all stopped and deleted by close()."""

    def __init__(self, scratch, programs, binary):
        self.scratch, self.programs, self.binary = pathlib.Path(scratch), programs, binary
        self.primary = Postgres(programs, self.scratch / "pg")
        self.redis = Redis(self.scratch / "redis")
        self.opened = [self.primary]
        self.databases = 0
        Database(self.primary, "postgres").ask(f"create role {APPLICATION} login")
        template = self._create("template_coffer")
        subprocess.run([binary, "migrate", "up"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DATABASE_URL": template.url(role=OWNER)})
        template.run_script(SERVE_ROLE, role=APPLICATION)

    def _create(self, name, template="template0"):
        Database(self.primary, "postgres").ask(f"create database {name} template {template} encoding 'UTF8'")
        return Database(self.primary, name)

    def heal(self):
        """Undoes what a fault that failed half-way has left."""
        self.primary.heal()
        if self.redis.process.poll() is None:
            self.redis.signal(signal.SIGCONT)
        else:
            self.redis.start()

    def database(self):
        self.databases += 1
        return self._create(f"run{self.databases}", "template_coffer")

    def standby(self):
        self.opened.append(Postgres(self.programs, self.scratch / f"standby{len(self.opened)}", standby_of=self.primary))
        return self.opened[-1]

    def close(self):
        self.redis.stop()
        for cluster in self.opened:
            try:
                cluster.stop("immediate")
            except RuntimeError:
                pass  # it was stopped by its run
        shutil.rmtree(self.scratch, ignore_errors=True)
