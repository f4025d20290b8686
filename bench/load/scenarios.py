"""The table of scenarios: which runs each consists of, the baselines of its ratios included."""
import dataclasses
from typing import Optional

from load.contenders import SERVERS

CLIENTS = (4, 8, 16, 32, 64)


@dataclasses.dataclass(frozen=True)
class Run:
    """One measurement. `kind` says what the gate expects: purchases (only 201s), refusals (402 and 409 as well),
    limited (409 as well, which the journal need not have), overload (503 as well), reads, storm (reads, and a purchase
    every 20 ms that makes them miss), mix."""
    name: str
    contender: str
    connections: int
    table: str = ""           # of requests, for wrk
    script: str = ""          # for pgbench
    driver: bool = False      # the lane driver
    hot: bool = False         # pgbench: one user instead of all
    kind: str = "purchases"
    rate: float = 0           # of an open loop, requests a second
    peak: float = 0           # of an open loop: the rate as a share of the peak that was measured before
    exactly: Optional[int] = None  # units that must have been sold when it ends
    prime: bool = False       # a second of the same before it, unmeasured: a cache is filled
    before: bool = False      # by the server of the revision that this one is compared with

    @property
    def open(self):
        """Whether it is an open loop, whose rate may depend on a closed one."""
        return bool(self.rate or self.peak)


def http(name, table, connections, **more):
    return Run(f"{name}_{connections}", more.pop("contender", "coffer"), connections, table=table, **more)


def pgbench(name, contender, script, **more):
    return [Run(f"{name}_{clients}", contender, clients, script=script, **more) for clients in CLIENTS]


def both(name, table, **more):
    return [http(name, table, connections, **more) for connections in (64, 256)]


S1 = both("s1", "uniform")
S1_PEAK = S1[1:]
S2 = both("s2", "hot_wallet")
DRIVER = Run("b2_256", "b2", 256, driver=True)
PEAK = S1[:1]
LATENCY = [Run("idle", "coffer", 1, table="uniform", rate=50)] + [
    Run(f"open_{percent}", "coffer", 64, table="uniform", peak=percent / 100) for percent in (30, 50, 70, 90)]
# As many connections as a server needs to see that it is asked too much.
OVERLOAD = Run("overload", "coffer", 3000, table="uniform", kind="overload", peak=2)
LIVEZ = http("livez", "livez", 64, kind="reads")


def catalogue(sizes):
    """Runs by scenario. A run that several scenarios name is made once per round."""
    return {
        "s1": S1 + pgbench("b1", "b1", "one_call.pgbench") + pgbench("b0", "b0", "orm.pgbench"),
        "s1k": S1 + both("s1k", "keyed"),
        "s1w": S1 + both("s1w", "wide", contender="wide"),
        "s1r": S1 + both("s1r", "uniform", contender="remote")
               + [http("s1r_undelayed", "uniform", 256, contender="undelayed")],
        "s1p": S1 + both("s1p", "uniform", contender="pair"),
        "s2": S1 + S2 + pgbench("b1_hot", "b1", "one_call.pgbench", hot=True),
        "s2p": S2 + both("s2p", "hot_wallet", contender="pair"),
        "s3": S1_PEAK + [http("s3", "zipf_099", 256)],
        "s4": S1_PEAK + [http("s4", "zipf_2", 256)],
        "s5": S1_PEAK + [http("s5", "hot_product", 256)],
        "s6": [http("s6", "limited", 256, kind="limited", exactly=sizes.stock)],
        "s7": S1_PEAK + [http("s7", "refusals", 256, kind="refusals")],
        "s8": [http("s8", "mix", 64, kind="mix")],
        "s9": [LIVEZ, http("s9_hits", "inventory_hits", 64, kind="reads", prime=True),
               http("s9_storm", "miss_storm", 64, kind="storm")],
        "s10": S1 + [OVERLOAD],
        "s11": S1_PEAK + [http("growth", "grown", 256, contender="growth"),
                          http("growth_history", "history", 64, contender="growth", kind="reads"),
                          Run("popular", "popular", 1, table="uncached", kind="reads")],
        "latency": PEAK + LATENCY,
        "events": PEAK + [http("told_backlog", "uniform", 64, contender="told"),
                          Run("told_50", "told", 64, table="uniform", peak=0.5)],
        "guards": S1_PEAK + [http("unguarded", "uniform", 256, contender="unguarded"),
                             http("guarded", "uniform", 256, contender="guarded")],
        "b2": S1_PEAK + [DRIVER],
        "b5": S1_PEAK + [http("b5", "uniform", 256, contender="b5"),
                         http("b5_lanes", "uniform", 256, contender="b5_lanes")],
        "floor": [LIVEZ, http("floor", "livez", 64, kind="reads", contender="floor")],
    }


def plan(wanted, sizes):
    """The runs of the wanted scenarios, each once, in order."""
    runs = {}
    for scenario in wanted:
        for run in catalogue(sizes)[scenario]:
            runs.setdefault(run.name, run)
    return list(runs.values())


def beside(runs, alone):
    """Each run of a server twice: by this revision's and by the one that it is compared with. What shows the machine
    or the database, not the server, is run once, or not at all with `alone`."""
    found = []
    for run in runs:
        if run.contender in SERVERS:
            found += [run, dataclasses.replace(run, before=True)]
        elif not alone:
            found.append(run)
    return found


def at_rates(runs, peak):
    """The open-loop runs with their rates; `peak` gives the one that a run's is a share of. Without a peak, such a run
    is left out."""
    rates = {run: run.rate or run.peak * peak(run) for run in runs if run.open}
    return [dataclasses.replace(run, rate=rate) for run, rate in rates.items() if rate]
