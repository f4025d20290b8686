"""Faults of the cache."""
import pathlib
import shutil
import signal
import tempfile

from faults.catalogue import fault, pause
from faults.history import Attempt
from faults.processes import wait_for
from faults.servers import Redis


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


@fault("redis-old-dump")
def redis_old_dump(run):
    """The cache is killed and comes back with what it held some time before: inventories that have changed since."""
    client, users = run.clients[0], run.world.bystanders
    reads = [Attempt(0, "inventory", user) for user in users]
    for turn in range(3):
        for read in reads:
            client.send(read.again())
        run.redis.ask("save")
        for user in users:
            client.send(Attempt(0, "grant", user, run.world.products[0], 1, f"gift-{turn}"))
        pause(0.5)
        run.redis.stop()
        run.redis.start()
        for _ in range(10):  # the server finds the cache again meanwhile
            for read in reads:
                client.send(read.again())
            pause(0.1)
    (run.redis.folder / "dump.rdb").unlink()
    met = int(run.coffer.metrics()["coffer_cache_foreign_total"])
    run.measured |= {"old_met": met}
    return [] if met >= len(users) else [f"reads met old entries only {met} times"]
