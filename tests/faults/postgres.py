"""PostgreSQL clusters that can be hurt, and their databases."""
import contextlib
import os
import pathlib
import pwd
import signal
import subprocess

from faults.processes import alive, free_port, wait_for

OWNER = "coffer"            # of the cluster and of every table
APPLICATION = "coffer_app"  # the role that coffer serves as, with no more rights than deploy/postgresql gives


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
            self._run("initdb", "-D", self.data, "-U", OWNER, "--auth=trust", "--no-sync", "--encoding=UTF8",
                      "--locale=C.UTF-8")
        else:
            self._run("pg_basebackup", "-D", self.data, "-h", standby_of.folder, "-p", standby_of.port, "-U", OWNER,
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

    @contextlib.contextmanager
    def recovering(self):
        """Starts, after a kill(), and stays in recovery while the context lasts: archive recovery, with an archive that
        does not answer."""
        hold = self.folder / "hold"
        hold.touch()
        subprocess.run(as_owner("touch", self.data / "recovery.signal"), check=True, cwd="/")
        archive = f"-c restore_command='while test -e {hold}; do sleep 0.05; done; false'"
        self._run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-W", "-s", "-o", archive, "start")
        try:
            yield
        finally:
            hold.unlink()
        wait_for(self._takes_writes, 60, "the end of recovery")

    def _takes_writes(self):
        try:
            return Database(self, "postgres").ask("select pg_is_in_recovery()") == "f"
        except RuntimeError:
            return False

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

    def url(self, port=None, role=APPLICATION):
        return f"postgresql://{role}@127.0.0.1:{port or self.cluster.port}/{self.name}"

    def ask(self, *statements):
        return self._psql([word for text in statements for word in ("-c", text)])

    def run_script(self, file, **variables):
        """A file for psql, with its variables; read here, because the database's owner may not reach it."""
        return self._psql([word for name, value in variables.items() for word in ("-v", f"{name}={value}")] + ["-f", "-"],
                          file.read_text())

    def _psql(self, words, script=None):
        command = [self.cluster.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h",
                   self.cluster.folder, "-p", str(self.cluster.port), "-U", OWNER, "-d", self.name, *words]
        done = subprocess.run(as_owner(*command), input=script, capture_output=True, text=True, cwd="/", timeout=60)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def session(self):
        """A psql that stays open; write statements to its stdin."""
        command = as_owner(self.cluster.programs / "psql", "-X", "-q", "-h", self.cluster.folder, "-p",
                           self.cluster.port, "-U", OWNER, "-d", self.name)
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd="/")
