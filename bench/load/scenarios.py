"""The table of scenarios: which runs each consists of, the baselines of its ratios included."""
import dataclasses
from typing import Optional

CLIENTS = (4, 8, 16, 32, 64)


@dataclasses.dataclass(frozen=True)
class Run:
    """One measurement. `kind` says what the gate expects: purchases (only 201s), refusals (402 and 409 as well),
    reads, mix."""
    name: str
    contender: str
    connections: int
    table: str = ""           # of requests, for wrk
    script: str = ""          # for pgbench
    hot: bool = False         # pgbench: one user instead of all
    kind: str = "purchases"
    exactly: Optional[int] = None  # units that must have been sold when it ends


def http(name, table, connections, **more):
    return Run(f"{name}_{connections}", more.pop("contender", "coffer"), connections, table=table, **more)


def pgbench(name, contender, script, **more):
    return [Run(f"{name}_{clients}", contender, clients, script=script, **more) for clients in CLIENTS]


S1 = [http("s1", "uniform", 64), http("s1", "uniform", 256)]
S1_PEAK = S1[1:]
LIVEZ = http("livez", "livez", 64, kind="reads")


def catalogue(sizes):
    """Runs by scenario. A run that several scenarios name is made once per round."""
    return {
        "s1": S1 + pgbench("b1", "b1", "one_call.pgbench") + pgbench("b0", "b0", "orm.pgbench"),
        "s2": S1 + [http("s2", "hot_wallet", 64), http("s2", "hot_wallet", 256)]
              + pgbench("b1_hot", "b1", "one_call.pgbench", hot=True),
        "s3": S1_PEAK + [http("s3", "zipf_099", 256)],
        "s4": S1_PEAK + [http("s4", "zipf_2", 256)],
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
