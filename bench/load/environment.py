"""The private PostgreSQL and Redis of a benchmark: databases, questions to them, and their processes."""
import copy
import dataclasses
import json
import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.parse

HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is in a contender's database before the first run."""
    users: int
    readers: int
    stock: int
    poor: int
    products: int = 10
    price: int = 1
    funds: int = 1_000_000_000
    grown_users: int = 1_000_000
    grown_rows: int = 20  # of the journal, per user of the grown database
    grown_lines: int = 4  # products that such a user owns
    wide_products: int = 1000
    wide_lines: int = 50

    @property
    def permanent(self):
        return self.products + 1

    @property
    def hot_product(self):
        return self.products + 2

    @property
    def limited_product(self):
        return self.products + 3

    @property
    def hot_user(self):
        return self.readers + 1


FULL = Sizes(users=100_000, readers=10_000, stock=2000, poor=1000)
QUICK = Sizes(users=20_000, readers=2_000, stock=1000, poor=500, grown_users=10_000)
SMOKE = Sizes(users=2_000, readers=500, stock=100, poor=50, grown_users=500)


class Environment:
    """Where everything is: programs, servers, a folder for files of the run."""
    side = ""  # in the names of databases: which revision they belong to

    def __init__(self, build, pg_bin, state, sizes):
        self.coffer = pathlib.Path(build) / "coffer"
        self.programs = pathlib.Path(build) / "bench" / "load"
        self.pg_bin = pathlib.Path(pg_bin)
        self.state = pathlib.Path(state)
        self.sizes = sizes
        self.maintenance_url = os.environ["DATABASE_URL"]
        self.redis_url = os.environ["REDIS_URL"]
        self.version = int(self.ask("show server_version_num"))
        self.postmaster = self._postmaster()
        self.redis_pid = int(self.redis_info("server")["process_id"])

    def beside(self, build):
        """The same with the server of another revision, which makes and migrates databases of its own."""
        other = copy.copy(self)
        other.coffer, other.side = pathlib.Path(build) / "coffer", "before_"
        return other

    @property
    def template(self):
        return f"bench_{self.side}template"

    def url(self, database, port=None):
        """Of that database; with a port, by what listens there instead of PostgreSQL."""
        parts = urllib.parse.urlsplit(self.maintenance_url)
        if port:
            parts = parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}", query="")
        return urllib.parse.urlunsplit(parts._replace(path="/" + database))

    def postgres_socket(self):
        """PostgreSQL's Unix socket."""
        place = urllib.parse.parse_qs(urllib.parse.urlsplit(self.maintenance_url).query)
        return pathlib.Path(place["host"][0]) / f".s.PGSQL.{place['port'][0]}"

    def make_key(self, database):
        """A server key that may buy."""
        command = [self.coffer, "key", "create", "--name", "bench", "--scopes", "purchases:write"]
        done = subprocess.run(command, capture_output=True, text=True, check=True,
                              env={**os.environ, "DATABASE_URL": self.url(database)})
        return re.search(r"cof_live_\w+", done.stdout).group()

    def psql(self, *arguments, database=None, stdin=subprocess.DEVNULL):
        url = self.url(database) if database else self.maintenance_url
        command = [self.pg_bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, stdin=stdin)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def ask(self, *statements, database=None):
        return self.psql(*(word for text in statements for word in ("-c", text)), database=database)

    def ask_json(self, select, database=None):
        return json.loads(self.ask(f"select to_json(answer) from ({select}) answer", database=database))

    def prewarm(self, database):
        """Reads the tables and indexes of a database into PostgreSQL's memory, as far as they fit."""
        self.ask("set client_min_messages = warning", "create extension if not exists pg_prewarm",
                 "select sum(pg_prewarm(oid::regclass)) from pg_class"
                 " where relkind in ('r', 'i') and relnamespace = 'public'::regnamespace", database=database)

    def _postmaster(self):
        lines = self.ask("select pg_read_file('postmaster.pid')").splitlines()
        return int(lines[0])

    def fill(self, database, script, variables, loader=()):
        """A new database with the server's schema and what the script puts there. It reads what the loader, a program
        of the benchmark with its arguments, writes."""
        self.ask(f"create database {database}")
        subprocess.run([self.coffer, "migrate", "up"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DATABASE_URL": self.url(database)})
        words = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        if not loader:
            self.psql(*words, "-f", HERE / "sql" / script, database=database)
            return
        name, *arguments = loader
        with subprocess.Popen([self.programs / name, *map(str, arguments)], stdout=subprocess.PIPE) as loading:
            self.psql(*words, "-f", HERE / "sql" / script, database=database, stdin=loading.stdout)
        if loading.returncode:
            raise RuntimeError(f"{name} ended with status {loading.returncode}")

    def make_template(self):
        """The database that the contenders' databases are copies of."""
        self.fill(self.template, "template.sql", dataclasses.asdict(self.sizes))
        self.psql("-f", HERE / "sql" / "one_call.sql", database=self.template)
        self.ask("vacuum (analyze, freeze)", "checkpoint", database=self.template)

    def clone(self, database):
        """A copy of the template under that name. Copied through the log, which needs no checkpoint: after one every
        page's first change is logged in full, and the runs before and after would not be alike."""
        self.ask(f"create database {database} template {self.template} strategy wal_log")

    def settle(self, database, timeout=30):
        """Waits until no session of that database is in a transaction."""
        question = ("select count(*) from pg_stat_activity where datname = '" + database + "'"
                    " and pid <> pg_backend_pid() and backend_type = 'client backend' and state <> 'idle'")
        end = time.monotonic() + timeout
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if self.ask(question) == "0" else 0
            if time.monotonic() > end:
                raise RuntimeError(f"sessions of {database} do not become idle")
            time.sleep(0.02)

    def redis(self, *words):
        """Sends one command and gives the reply's bytes (bulk string or line)."""
        kind, place = redis_address(self.redis_url)
        with socket.socket(kind, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(place)
            encoded = [w.encode() for w in words]
            connection.sendall(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded))
            with connection.makefile("rb") as stream:
                first = stream.readline()
                if first[:1] == b"-":
                    raise RuntimeError(f"redis: {first.decode().strip()}")
                return stream.read(int(first[1:])) if first[:1] == b"$" else first[1:].strip()

    def redis_info(self, section):
        lines = self.redis("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def disk_flush_us(self, rounds=200):
        """Median time of an fdatasync after rewriting 8 kB, where the database's files are."""
        path = self.state / "flush"
        times = []
        with open(path, "wb", buffering=0) as file:
            file.write(bytes(1 << 20))
            os.fsync(file.fileno())
            for i in range(rounds):
                os.pwrite(file.fileno(), bytes([i % 256]) * 8192, (i % 128) * 8192)
                began = time.perf_counter()
                os.fdatasync(file.fileno())
                times.append(time.perf_counter() - began)
        path.unlink()
        return round(sorted(times)[rounds // 2] * 1e6, 1)


def redis_address(url):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "unix":
        return socket.AF_UNIX, urllib.parse.unquote(parts.path)
    return socket.AF_INET, (parts.hostname, parts.port or 6379)
