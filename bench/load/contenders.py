"""Who is measured: the server in its variants, pgbench, the bare responder. Each writer has a database of its own, so
that what one leaves behind slows no other."""
import time

from load.server import Coffer, EpollFloor, Pair, Remote, Told

# Flags of the servers. Without batching more lanes may help, so that baseline gets both and its better one counts.
POPULAR_TTL = 1  # seconds: how long to wait for an uncached answer
# Limits that are counted and never met.
PLENTY = "user:1000000000/1s,key:1000000000/1s,address:1000000000/1s"
LIMITS = ("--limit-purchase", PLENTY, "--limit-use", PLENTY, "--limit-funds", PLENTY)
# One generator is as many clients as S10 wants, from one address.
CROWD = ("--max-connections-per-address", "0")
SERVERS = {"coffer": (*LIMITS, *CROWD), "growth": LIMITS, "wide": LIMITS, "pair": LIMITS, "remote": LIMITS,
           "undelayed": LIMITS, "popular": ("--popular-ttl", f"{POPULAR_TTL}s"),
           "told": (*LIMITS, "--webhook-allow-private", "on"),
           "unguarded": (), "guarded": (*LIMITS, "--auth", "required"),
           "b5": ("--max-batch", "1"), "b5_lanes": ("--max-batch", "1", "--lanes", "32")}
WRITERS = (*SERVERS, "b0", "b1", "b2")
WIRES = {"remote": 500, "undelayed": 0}  # microseconds that the bytes between these servers and their database take
KEPT = ("growth", "wide")  # their databases take long to fill: made once, every round goes on with them


class Contenders:
    """Databases and processes of one revision, made when first wanted. Only the main server stays up between runs."""

    def __init__(self, env, say=print):
        self.env, self.say = env, say
        self.up = {}
        self.databases = {}
        self.rounds = 0

    def database(self, name):
        """Its database: a kept one is made once, any other is copied from the template in every round."""
        if name in WRITERS and name not in self.databases:
            if name == "popular":
                return self.database("growth")
            if name in KEPT:
                self.databases[name] = self._fill_shop(name)
            else:
                self.databases[name] = f"bench_{self.env.side}{name}_{self.rounds}"
                self.env.clone(self.databases[name])
        return self.databases.get(name)

    def _fill_shop(self, name):
        sizes, database, began = self.env.sizes, f"bench_{self.env.side}{name}", time.monotonic()
        users, rows, lines, products = {
            "growth": (sizes.grown_users, sizes.grown_rows, sizes.grown_lines, sizes.products),
            "wide": (sizes.users, 1 + sizes.wide_lines, sizes.wide_lines, sizes.wide_products)}[name]
        variables = {"users": users, "rows": rows, "lines": lines, "products": products, "price": sizes.price,
                     "funds": sizes.funds}
        self.env.fill(database, "growth.sql", variables, loader=("grown_journal", *variables.values()))
        self.say(f"{database}: {users * rows} journal rows in {time.monotonic() - began:.0f} s")
        return database

    def target(self, name):
        """Its process or processes, or None for one that is a client itself."""
        database = self.database(name)
        if name not in self.up:
            if name == "floor":
                self.up[name] = EpollFloor(self.env)
            elif name == "pair":
                self.up[name] = Pair(self.env, database, SERVERS[name])
            elif name == "told":
                self.up[name] = Told(self.env, database, SERVERS[name])
            elif name in WIRES:
                self.up[name] = Remote(self.env, database, SERVERS[name], WIRES[name])
            elif name in SERVERS:
                key = self.env.make_key(database) if name == "guarded" else None
                self.up[name] = Coffer(self.env, database, SERVERS[name], key)
        return self.up.get(name)

    def release(self, name):
        """After a run: what would disturb the next one ends."""
        if name in self.up and name != "coffer":
            self.stop(name)

    def stop(self, name):
        status = self.up.pop(name).stop()
        if status:
            raise RuntimeError(f"{name} ended with status {status}")

    def stop_all(self):
        for name in list(self.up):
            self.stop(name)

    def new_round(self):
        """Everything ends; the next round starts from the template again."""
        self.stop_all()
        self.databases = {name: database for name, database in self.databases.items() if name in KEPT}
        self.rounds += 1
        self.env.redis("FLUSHALL")
