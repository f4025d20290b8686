"""Faults of the database and of the server, each injected while clients work. A fault leaves everything healed; clients
are watched afterwards."""
import itertools
import socket
import subprocess

from faults.catalogue import fault, pause
from faults.postgres import APPLICATION, Database
from faults.processes import wait_for


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
    run.heals_now()
    pause(0.5)


@fault("conflicts", all_answered=True)
def conflicts(run):
    """Real deadlocks with somebody who locks wallets in the wrong order, and serialization failures, which PostgreSQL
    has no reason to give here: nobody may notice."""
    # Of three users at least two are in one of the two lanes, and so in one batch.
    pairs = itertools.cycle(itertools.combinations(sorted(run.world.hot), 2))
    run.database.ask("create sequence last_conflict",
                     "create function conflict() returns trigger language plpgsql security definer as $$"
                     " declare now_ms bigint := extract(epoch from clock_timestamp()) * 1000;"
                     # So far apart that no batch meets two of them.
                     " begin if now_ms > (select last_value from last_conflict) + 500 then"
                     " perform setval('last_conflict', now_ms);"
                     " raise 'conflict' using errcode = '40001'; end if; return null; end $$",
                     "create trigger conflict before insert on transactions for each statement execute function conflict()",
                     "alter system set deadlock_timeout = '100ms'", "select pg_reload_conf()")

    def met(state):
        return run.coffer.total("coffer_lane_retries_total", f'sqlstate="{state}"')

    def lock_in_the_wrong_order():
        low, high = next(pairs)
        with run.database.session() as other:  # which is patient, so that coffer's session is the one that loses
            other.communicate(f"set deadlock_timeout = '10s'; begin; select from users where id = {high} for update;"
                              f" select pg_sleep(0.05); select from users where id = {low} for update; rollback;\n",
                              timeout=20)
        return met("40P01") and met("40001")

    wait_for(lock_in_the_wrong_order, 30, "a deadlock that coffer lost, and a serialization failure")
    run.database.ask("drop trigger conflict on transactions", "alter system reset deadlock_timeout",
                     "select pg_reload_conf()")
    run.measured["repeated"] = {state: met(state) for state in ("40001", "40P01")}
    return run.disturbed()


@fault("too-many-connections", not_applied=1)
def too_many_connections(run):
    """The database takes no session more, and ends those that there are."""
    root = Database(run.database.cluster, "postgres")
    root.ask(f"alter role {APPLICATION} connection limit 0",
             f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{APPLICATION}'")
    pause(5)
    root.ask(f"alter role {APPLICATION} connection limit -1")


@fault("database-restarted", recovers_within=5)
def database_restarted(run):
    """A regular restart, and one that loses everything but the log."""
    for mode in ("fast", "immediate"):
        run.database.cluster.stop(mode)
        pause(0.3)
        run.database.cluster.start()
        run.heals_now()
        pause(1.5)


@fault("database-killed", recovers_within=5)
def database_killed(run):
    """kill -9 of the postmaster and all sessions."""
    run.database.cluster.kill()
    run.database.cluster.start()


@fault("failover", failover=True, recovers_within=5)
def failover(run):
    """The primary dies, its synchronous standby is promoted; the server finds it by the URL's list of hosts."""
    run.database.cluster.kill()
    run.standby.promote()
    run.database.cluster = run.standby


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
    paused = run.coffer.total("coffer_http_accept_pauses_total", 'reason="descriptors"')
    run.measured["pauses"] = paused
    # A pause is a tenth of a second at least: more of them than fit are a spin.
    return [] if 1 <= paused <= 60 else [f"accepting paused {paused} times in 2 s"]


@fault("sigterm", all_answered=True)
def sigterm(run):
    """The server is asked to end and is started again; it must answer what it has accepted, and end with 0."""
    for _ in range(3):
        status = run.coffer.terminate()
        if status != 0:
            raise RuntimeError(f"the server ended with {status}")
        run.coffer.start()
        run.heals_now()
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


@fault("everything-restarted", recovers_within=5)
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
        run.heals_now()
        pause(0.7)
