"""The faults, each injected while clients work. A fault leaves everything healed; clients are watched afterwards."""
import dataclasses
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from typing import Callable

from faults.servers import APPLICATION, Database, Redis, wait_for

CATALOGUE = {}


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    inject: Callable
    needs: dict         # attempts of some kind that it must cause (coverage.counts)
    failover: bool      # has a standby
    all_answered: bool  # whoever waits for an answer must get one that tells the outcome
    cache_proxy: bool   # has a proxy before the cache


def fault(name, failover=False, all_answered=False, cache_proxy=False, **needs):
    def register(function):
        CATALOGUE[name] = Fault(name, function, needs, failover, all_answered, cache_proxy)
        return function
    return register


def pause(seconds):
    time.sleep(seconds)


@fault("none", all_answered=True)
def none(_run):
    """The control: nothing happens."""
    pause(2)


@fault("connections-killed")
def connections_killed(run):
    """Idle and busy sessions of the database are terminated again and again."""
    for _ in range(12):
        run.database.ask(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{APPLICATION}'"
                         f" and datname = '{run.database.name}' and random() < 0.7")
        pause(0.2)


@fault("requests-lost")
def requests_lost(run):
    """Connections to the database break while statements are on their way."""
    run.proxy.lose_requests = 0.03
    wait_for(lambda: run.proxy.cuts >= 20, 20, "cuts")
    run.proxy.lose_requests = 0


@fault("commits-unanswered")
def commits_unanswered(run):
    """Connections break after the commit and before its answer."""
    run.proxy.lose_answers = 0.2
    wait_for(lambda: run.proxy.cuts >= 15, 20, "cuts")
    run.proxy.lose_answers = 0
    if not any(value for name, value in run.coffer.metrics().items()
               if name.startswith("coffer_lane_unknown_outcomes_total")):
        raise RuntimeError("no commit was in doubt")


@fault("rows-locked", not_applied=1)
def rows_locked(run):
    """Somebody holds the hot wallets for longer than a batch may wait."""
    with run.database.session() as holder:
        users = ", ".join(map(str, run.world.hot))
        holder.stdin.write(f"begin; select from users where id in ({users}) for update;\n")
        holder.stdin.flush()
        pause(6)
        holder.stdin.write("rollback;\n")
    pause(0.5)


@fault("too-many-connections", not_applied=1)
def too_many_connections(run):
    """The database takes no session more, and ends those that there are."""
    root = Database(run.database.cluster, "postgres")
    root.ask(f"alter role {APPLICATION} connection limit 0",
             f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{APPLICATION}'")
    pause(5)
    root.ask(f"alter role {APPLICATION} connection limit -1")


@fault("database-restarted")
def database_restarted(run):
    """A regular restart, and one that loses everything but the log."""
    for mode in ("fast", "immediate"):
        run.database.cluster.stop(mode)
        pause(0.3)
        run.database.cluster.start()
        pause(1.5)


@fault("database-killed")
def database_killed(run):
    """kill -9 of the postmaster and all sessions."""
    run.database.cluster.kill()
    run.database.cluster.start()


@fault("database-stalled", not_applied=1)
def database_stalled(run):
    """Every process of the database stops for longer than a request may take."""
    run.database.cluster.signal(signal.SIGSTOP)
    pause(6)
    run.database.cluster.signal(signal.SIGCONT)


@fault("failover", failover=True)
def failover(run):
    """The primary dies, its synchronous standby is promoted; the server finds it by the URL's list of hosts."""
    run.database.cluster.kill()
    run.standby.promote()
    run.database.cluster = run.standby


@fault("redis-gone")
def redis_gone(run):
    """The cache is killed, and comes back empty."""
    run.redis.stop()
    pause(2)
    run.redis.start()


@fault("redis-hung")
def redis_hung(run):
    """The cache takes requests and does not answer."""
    run.redis.signal(signal.SIGSTOP)
    pause(2)
    run.redis.signal(signal.SIGCONT)


@fault("redis-full")
def redis_full(run):
    """The cache refuses every write for want of memory."""
    run.redis.ask("config", "set", "maxmemory", "1")
    pause(2)
    run.redis.ask("config", "set", "maxmemory", "0")


@fault("redis-readonly")
def redis_readonly(run):
    """The cache has become a replica of something unreachable."""
    run.redis.ask("replicaof", "127.0.0.1", "1")
    pause(2)
    run.redis.ask("replicaof", "no", "one")


@fault("redis-cut")
def redis_cut(run):
    """Connections to the cache are closed again and again."""
    for _ in range(15):
        run.redis.ask("client", "kill", "type", "normal", "skipme", "yes")
        pause(0.15)


@fault("redis-halves", cache_proxy=True)
def redis_halves(run):
    """Connections to the cache break in the middle of a request or of an answer."""
    run.cache_proxy.lose_requests = run.cache_proxy.lose_answers = 0.02
    wait_for(lambda: run.cache_proxy.cuts >= 20, 20, "cuts")
    run.cache_proxy.lose_requests = run.cache_proxy.lose_answers = 0


@fault("redis-loading")
def redis_loading(run):
    """The cache comes back with data that takes it seconds to load, and refuses everything until then."""
    run.redis.stop()
    # Made by another server: the data must hold nothing of coffer's, which would be old by now.
    with tempfile.TemporaryDirectory(dir=run.place.scratch) as folder:
        other = Redis(pathlib.Path(folder) / "other")
        try:
            other.ask("eval", "for n = 1, 3000 do redis.call('set', 'ballast' .. n, string.rep('x', 30)) end", "0")
            other.ask("save")
        finally:
            other.stop()
        shutil.copy(other.folder / "dump.rdb", run.redis.folder)
    try:
        # A millisecond for each key, and a look at the clients after every kilobyte.
        run.redis.start("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024", wait=False)
        wait_for(lambda: "errorstat_LOADING" in run.redis.ask("info", "errorstats"), 10, "a client that was told LOADING")
        run.redis.wait()
    finally:
        (run.redis.folder / "dump.rdb").unlink(missing_ok=True)
    run.redis.ask("flushall")


@fault("redis-garbage")
def redis_garbage(run):
    """Values of the cache are overwritten with nonsense."""
    script = "for _, k in ipairs(redis.call('keys', ARGV[1])) do redis.call('set', k, ARGV[2], 'px', 60000) end"
    for n in range(15):
        run.redis.ask("eval", script, "0", f"{run.coffer.port}:*", ("", "garbage", "{", "\x01\x7f", "9" * 40)[n % 5])
        pause(0.15)
    run.redis.ask("flushall")


@fault("slow-clients")
def slow_clients(run):
    """Two hundred connections that never end their request, and fifty that read no answer."""
    held = [socket.create_connection(("127.0.0.1", run.coffer.port)) for _ in range(250)]
    for n, each in enumerate(held):
        whole = b"GET /products?limit=100 HTTP/1.1\r\nHost: h\r\n\r\n" * 200
        each.setblocking(False)
        try:
            each.send(whole if n < 50 else b"POST /users HTTP/1.1\r\nHost:")
        except BlockingIOError:
            pass
    pause(3)
    for each in held:
        each.close()


@fault("no-descriptors")
def no_descriptors(run):
    """The server may open nothing more for a while."""
    pid = run.coffer.process.pid
    now = run.coffer.descriptors()
    read = subprocess.run(["prlimit", "--pid", str(pid), "--nofile", "--noheadings", "--output", "SOFT,HARD"],
                          capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={now}:{read[1]}"], check=True)
    held = [socket.create_connection(("127.0.0.1", run.coffer.port)) for _ in range(30)]
    pause(2)
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={read[0]}:{read[1]}"], check=True)
    for each in held:
        each.close()


@fault("sigterm", all_answered=True)
def sigterm(run):
    """The server is asked to end and is started again; it must answer what it has accepted, and end with 0."""
    for _ in range(3):
        status = run.coffer.terminate()
        if status != 0:
            raise RuntimeError(f"the server ended with {status}")
        run.coffer.start()
        pause(0.7)


@fault("killed", unknown=1)
def killed(run):
    """kill -9, a few times."""
    kill_again_and_again(run, 5)


@fault("a-hundred-kills", unknown=20)
def a_hundred_kills(run):
    """kill -9 a hundred times in a row on one database; how often is --kills."""
    kill_again_and_again(run, run.kills)


def kill_again_and_again(run, times):
    for _ in range(times):
        pause(0.2 + run.random.random() * 0.3)
        run.coffer.kill()
        run.coffer.start()


@fault("everything-restarted")
def everything_restarted(run):
    """Database and cache are restarted in both orders, and at once."""
    cluster = run.database.cluster
    for order in ("database cache", "cache database", "both"):
        if order == "database cache":
            cluster.stop("immediate")
            cluster.start()
            run.redis.stop()
            run.redis.start()
        elif order == "cache database":
            run.redis.stop()
            run.redis.start()
            cluster.stop("immediate")
            cluster.start()
        else:
            run.redis.stop()
            cluster.stop("immediate")
            pause(0.5)
            cluster.start()
            run.redis.start()
        pause(0.7)
