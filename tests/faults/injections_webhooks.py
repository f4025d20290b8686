"""Faults of whoever sends webhooks: nothing committed is left out, and nothing else is sent."""
import signal

from faults.catalogue import fault, pause
from faults.processes import wait_for


def relay_of(run):
    """The server that sends; None while there is none."""
    return next((server for server in run.servers
                 if server.process.poll() is None and server.metrics().get("coffer_webhook_relay")), None)


@fault("webhooks-sent", webhooks=True, all_answered=True)
def webhooks_sent(_run):
    """Nothing happens, and a receiver is told of all of it."""
    pause(2)


@fault("webhook-relays-killed", unknown=1, processes=2, webhooks=True, recovers_within=20)
def webhook_relays_killed(run):
    """kill -9 of the server that sends webhooks, again and again; how often is a tenth of --kills."""
    for _ in range(max(1, run.kills // 10)):
        wait_for(lambda: relay_of(run), 30, "a server that sends webhooks")
        pause(0.2 + run.random.random())
        relay = relay_of(run)
        if relay:
            relay.kill()
            relay.start()
    run.measured["attempts"] = len(run.receiver.attempts())


@fault("webhook-relay-paused", processes=2, webhooks=True, recovers_within=20)
def webhook_relay_paused(run):
    """The server that sends stands still until another one sends, and goes on then: two are at work for a moment."""
    wait_for(lambda: relay_of(run), 30, "a server that sends webhooks")
    paused = relay_of(run)
    other = next(server for server in run.servers if server is not paused)
    paused.process.send_signal(signal.SIGSTOP)
    try:
        wait_for(lambda: other.metrics().get("coffer_webhook_relay"), 30, "another one that sends")
    finally:
        paused.process.send_signal(signal.SIGCONT)
    pause(2)


@fault("webhook-failover", failover=True, webhooks=True, recovers_within=20)
def webhook_failover(run):
    """The primary dies while webhooks are sent, and its synchronous standby is promoted."""
    wait_for(lambda: relay_of(run), 30, "a server that sends webhooks")
    run.database.cluster.kill()
    run.standby.promote()
    run.database.cluster = run.standby
