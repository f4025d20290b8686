"""Who is measured: the server in its variants, pgbench, the bare responder. Each writer has a database of its own, so
that what one leaves behind slows no other."""
from load.server import Coffer, EpollFloor

# Flags of the servers. Without batching more lanes may help, so that baseline gets both and its better one counts.
SERVERS = {"coffer": (), "b5": ("--max-batch", "1"), "b5_lanes": ("--max-batch", "1", "--lanes", "32")}
DATABASES = {"coffer": "bench_coffer", "b5": "bench_b5", "b5_lanes": "bench_b5_lanes", "b0": "bench_b0",
             "b1": "bench_b1", "b2": "bench_b2"}


class Contenders:
    """Databases and processes, made when first wanted. Only the main server stays up between runs."""

    def __init__(self, env):
        self.env = env
        self.up = {}
        self.fresh = set()

    def database(self, name):
        """Its database, copied from the template the first time in a round."""
        database = DATABASES.get(name)
        if database and name not in self.fresh:
            self.env.clone(database)
            self.fresh.add(name)
        return database

    def target(self, name):
        """Its process, or None for one that is a client itself."""
        database = self.database(name)
        if name not in self.up:
            if name in SERVERS:
                self.up[name] = Coffer(self.env, database, SERVERS[name])
            elif name == "floor":
                self.up[name] = EpollFloor(self.env)
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
        self.fresh.clear()
        self.env.redis("FLUSHALL")
        self.env.ask("checkpoint")
