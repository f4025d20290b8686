"""PostgreSQL, its standby, Redis and coffer as processes that can be hurt. Everything lies in one scratch folder."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

APPLICATION = "coffer_app"  # the role that coffer works as; not a superuser, so that limits count for it
READY_WITHIN = 30.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, limit, what):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {limit} s for {what}")
        time.sleep(0.05)


def alive(pid):
    """Whether the process runs; one that nobody has waited for yet does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def as_owner(*command):
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *map(str, command)] if os.geteuid() == 0 else list(map(str, command))


class Postgres:
    """A cluster with durable commits on a Unix socket and a port of loopback."""

    def __init__(self, programs, folder, port=None, standby_of=None):
        self.programs, self.folder, self.port = pathlib.Path(programs), folder, port or free_port()
        self.data = folder / "data"
        folder.mkdir(mode=0o711)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        if standby_of is None:
            self._run("initdb", "-D", self.data, "-U", "coffer", "--auth=trust", "--no-sync", "--encoding=UTF8",
                      "--locale=C.UTF-8")
        else:
            self._run("pg_basebackup", "-D", self.data, "-h", standby_of.folder, "-p", standby_of.port, "-U", "coffer",
                      "-R", "--checkpoint=fast", "--no-sync")
        lines = (f"port = {self.port}", "listen_addresses = '127.0.0.1'", f"unix_socket_directories = '{folder}'",
                 "max_connections = 60", "shared_buffers = 64MB", "wal_level = replica", "timezone = UTC",
                 "log_line_prefix = '%m [%p] '")
        settings = "\n".join(lines) + "\n"
        subprocess.run(as_owner("tee", "-a", self.data / "postgresql.conf"), input=settings, text=True, check=True,
                       stdout=subprocess.DEVNULL, cwd="/")
        self.start()

    def _run(self, program, *arguments):
        done = subprocess.run(as_owner(self.programs / program, *arguments), capture_output=True, text=True, cwd="/")
        if done.returncode:
            log = self.folder / "log"
            end = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
            raise RuntimeError("\n".join([f"{program}: {done.stderr.strip()}", *end]))

    def start(self):
        self._run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-t", "60", "-s", "start")

    def stop(self, mode="fast"):
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "60", "-s", "stop")

    def promote(self):
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "60", "-s", "promote")

    def pids(self):
        """The postmaster and its children."""
        postmaster = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def signal(self, number):
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """kill -9 of every process at once: the postmaster is stopped first, so that it starts no more of them."""
        os.kill(self.pids()[0], signal.SIGSTOP)
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in pids), 10, "the end of killed processes")
        # PostgreSQL takes a dead process that nobody has waited for yet for a living one.
        for left in (self.data / "postmaster.pid", self.folder / f".s.PGSQL.{self.port}.lock"):
            left.unlink(missing_ok=True)

    def heal(self):
        """Running again, whatever was done to it."""
        if (self.data / "postmaster.pid").exists():
            try:
                self.signal(signal.SIGCONT)
                return
            except (FileNotFoundError, ValueError):
                self.kill()
        self.start()


class Database:
    """One database of a cluster, asked through psql."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name

    def url(self, port=None):
        return f"postgresql://{APPLICATION}@127.0.0.1:{port or self.cluster.port}/{self.name}"

    def ask(self, *statements):
        words = [word for text in statements for word in ("-c", text)]
        command = [self.cluster.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h",
                   self.cluster.folder, "-p", str(self.cluster.port), "-U", "coffer", "-d", self.name, *words]
        done = subprocess.run(as_owner(*command), capture_output=True, text=True, cwd="/", timeout=60)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def session(self):
        """A psql that stays open; write statements to its stdin."""
        command = as_owner(self.cluster.programs / "psql", "-X", "-q", "-h", self.cluster.folder, "-p",
                           self.cluster.port, "-U", "coffer", "-d", self.name)
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd="/")


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

    def ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with {self.process.returncode}; see {self.log.name}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1):
                return True
        except OSError:
            return False

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}

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
        root = Database(self.primary, "postgres")
        root.ask(f"create role {APPLICATION} login")
        self._create("template_coffer")
        url = Database(self.primary, "template_coffer").url()
        subprocess.run([binary, "migrate", "up"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DATABASE_URL": url})

    def _create(self, name, template="template0"):
        root = Database(self.primary, "postgres")
        root.ask(f"create database {name} owner {APPLICATION} template {template} encoding 'UTF8'")
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
