"""What a run cost: CPU time by process group, the write-ahead log, HOT updates, the server's own counters."""
import collections
import os
import pathlib
import time

TICK = os.sysconf("SC_CLK_TCK")
DISTURBED = 0.1  # of the machine's time went elsewhere: the run's numbers say little
BUCKET = 'coffer_lane_batch_size_bucket{le="'


def stat_fields(pid):
    """The fields of /proc/PID/stat after the name: index 0 is the state."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2:].split()


def cpu_seconds(pid, with_reaped_children=False):
    fields = stat_fields(pid)
    ticks = sum(map(int, fields[11:15] if with_reaped_children else fields[11:13]))
    return ticks / TICK


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if int(stat_fields(entry)[1]) == pid:
                    found.append(entry)
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def postgres_cpu(postmaster):
    """The postmaster, every living child, and all that have ended. Read again when a child came or went meanwhile."""
    for _ in range(100):
        before = children(postmaster)
        try:
            total = cpu_seconds(postmaster, with_reaped_children=True) + sum(map(cpu_seconds, before))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if children(postmaster) == before:
            return total
    raise RuntimeError("the processes of PostgreSQL do not settle")


def machine_time():
    """CPU seconds that the whole machine has spent on anything but idling, and those that its host gave to others."""
    numbers = list(map(int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
    stolen = numbers[7]
    return (sum(numbers) - numbers[3] - numbers[4] - stolen) / TICK, stolen / TICK


def resident_mb(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


class Probe:
    """Readings before and after a run, and their differences."""

    def __init__(self, env, target, database):
        self.env, self.target, self.database = env, target, database
        self.cpu_before = self._cpu()
        self.before = self._database()
        self.lane_before = self._lane()

    def _cpu(self):
        busy, stolen = machine_time()
        cpu = {"database": postgres_cpu(self.env.postmaster), "redis": cpu_seconds(self.env.redis_pid),
               "clock": time.monotonic(), "busy": busy, "stolen": stolen}
        if self.target:
            cpu["server"] = sum(cpu_seconds(member.pid) for member in self.target.members)
            cpu["wires"] = sum(map(cpu_seconds, self.target.wires))
        return cpu

    def _lane(self):
        found = collections.Counter()
        for member in self.target.members if self.target else ():
            found.update(member.metrics())
        return found

    def _database(self):
        syncs = ("(select wal_sync from pg_stat_wal)" if self.env.version < 180000 else
                 "(select sum(fsyncs) from pg_stat_io where object = 'wal')")
        return self.env.ask_json(
            f"select pg_current_wal_lsn() - '0/0' as wal_bytes, {syncs} as wal_syncs,"
            " (select sum(n_tup_upd) from pg_stat_user_tables) as updates,"
            " (select sum(n_tup_hot_upd) from pg_stat_user_tables) as hot_updates", database=self.database)

    def stop(self):
        """Right after the run: what must not include anything later."""
        self.cpu_after = self._cpu()
        self.lane_after = self._lane()
        self.lsn_after = self._database()["wal_bytes"]

    def results(self, count, generator_cpu, writes):
        """The differences, per `count`. Call when all sessions have reported their statistics."""
        after = self._database()
        cpu = {group: self.cpu_after[group] - self.cpu_before[group] for group in self.cpu_before}
        lasted, busy, stolen = (cpu.pop(name) for name in ("clock", "busy", "stolen"))
        cpu["generator"] = generator_cpu + cpu.pop("wires", 0)
        foreign = max(0.0, busy - sum(cpu.values()))
        elsewhere = (foreign + stolen) / (os.cpu_count() * lasted)
        found = {"cpu_us": {group: round(spent / count * 1e6, 2) for group, spent in cpu.items()},
                 "foreign_cpu_seconds": round(foreign, 2), "stolen_cpu_seconds": round(stolen, 2),
                 "elsewhere": round(elsewhere, 3), "disturbed": elsewhere > DISTURBED}
        if writes:
            syncs = after["wal_syncs"] - self.before["wal_syncs"]
            updates = (after["updates"] or 0) - (self.before["updates"] or 0)
            found["wal_syncs"] = syncs
            found["wal_bytes"] = round((self.lsn_after - self.before["wal_bytes"]) / count, 1)
            hot = (after["hot_updates"] or 0) - (self.before["hot_updates"] or 0)
            found["hot_share"] = round(hot / updates, 3) if updates else None
        if self.target and self.target.database:
            if writes:
                found["batches"] = self.batches()
            found["rss_mb"] = round(sum(resident_mb(member.pid) for member in self.target.members), 1)
        return found

    def grown(self, series):
        return self.lane_after.get(series, 0) - self.lane_before.get(series, 0)

    def batches(self):
        """Committed batches by size: {"upper bound": number}."""
        bounds = [name for name in self.lane_after if name.startswith(BUCKET)]
        histogram, below = {}, 0
        for name in bounds:
            total = round(self.grown(name))
            if total > below:
                histogram[name.removeprefix(BUCKET).rstrip('"}')] = total - below
            below = total
        return histogram
