"""Commits whose outcome is not known: of users that were written a moment before, and on a standby."""
import time

from faults.catalogue import fault, pause
from faults.client import Crowd
from faults.history import OK, Attempt
from faults.postgres import APPLICATION, Database
from faults.processes import wait_for

WRITERS = 4        # clients
WITHOUT = 1.5      # seconds without a standby, in which waits for it are cancelled
ON_THE_WAY = 0.5   # seconds; an answer may take from the server to its client's notes


@fault("repeated-users-cut")
def repeated_users_cut(run):
    """The connection breaks around a commit for users of whom the one before was: before it is sent, in its middle, or
    before its answer."""
    users = run.world.bank[:2]

    def write_again(client, stopping):
        key = f"again-{client.number}-{client.sent}"
        client.insist(Attempt(0, "deposit", users[client.number % 2], quantity=1, key=key), stopping)

    def settled(how):
        return run.coffer.total("coffer_lane_unknown_outcomes_total", f'settled="{how}"')

    writers = Crowd(run.further_clients(WRITERS), write_again)
    run.proxy.lose_commits = 0.1
    try:
        wait_for(lambda: settled("committed") >= 8 and settled("not_committed") >= 8, 20,
                 "commits of both outcomes that were looked up")
    finally:
        run.proxy.lose_commits = 0
        writers.stop()
    run.measured |= {"settled": {how: settled(how) for how in ("committed", "not_committed")}}


@fault("standby-waits-cancelled", failover=True, recovers_within=5)
def standby_waits_cancelled(run):
    """The synchronous standby is cut off, and whoever waits for it is told to go on (pg_cancel_backend). First it comes
    back; then the primary dies, and the standby, which has nothing of what was committed meanwhile, takes its place."""
    primary, standby = Database(run.database.cluster, "postgres"), Database(run.standby, "postgres")
    there = standby.ask("show primary_conninfo")
    wrong = without_standby(run, primary, standby)
    follow(standby, there)
    wait_for(lambda: primary.ask("select count(*) from pg_stat_replication where sync_state = 'sync'") == "1", 10,
             "the standby")
    pause(1)
    wrong += without_standby(run, primary, standby)
    run.database.cluster.kill()
    run.standby.promote()
    run.database.cluster = run.standby
    return wrong


def follow(standby, primary):
    standby.ask(f"""alter system set primary_conninfo = '{primary.replace("'", "''")}'""", "select pg_reload_conf()")


def without_standby(run, primary, standby):
    """Cancels every wait for the standby; gives what was acknowledged meanwhile, which must not be."""
    follow(standby, "")
    wait_for(lambda: primary.ask("select count(*) from pg_stat_replication") == "0", 10, "the standby to be cut off")
    # By then everybody waits, and nobody reads what is committed on the primary alone.
    pause(ON_THE_WAY)
    began, cancelled = time.monotonic(), 0
    while time.monotonic() < began + WITHOUT:
        cancelled += int(primary.ask("select count(pg_cancel_backend(pid)) from pg_stat_activity where"
                                     f" wait_event = 'SyncRep' and usename = '{APPLICATION}'"))
        pause(0.02)
    ended = time.monotonic()
    run.measured.setdefault("cancelled", []).append(cancelled)
    told = [a for a in run.history.writes() if a.outcome == OK and began <= a.completed < ended]
    return [f"{a.request_id} {a.kind} was acknowledged without a standby" for a in told] + (
        [] if cancelled >= 5 else [f"only {cancelled} waits were cancelled"])
