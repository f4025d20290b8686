"""The ratios that the figures are about, from the medians of the runs that were made."""


def share(rounds, name, key):
    """What part of a run's answers were of that kind, over all rounds."""
    runs = rounds.results.get(name, [])
    answers = sum(run["answers"] for run in runs)
    return sum(run[key] for run in runs) / answers if answers else None


def ratios(rounds):
    """Flat: name to number. What was not measured is left out."""
    median = {name: rounds.median(name) for name in rounds.results}

    def best(prefix):
        return max((rate for name, rate in median.items() if name.rpartition("_")[0] == prefix), default=None)

    def of(above, below):
        return above / below if above and below else None

    def worse(name, base):
        """The smaller ratio of those at 64 and 256 connections."""
        both = [of(median.get(f"{name}_{clients}"), median.get(f"{base}_{clients}")) for clients in (64, 256)]
        return min(filter(None, both), default=None)

    get = median.get
    unbatched = max((rate for rate in (get("b5_256"), get("b5_lanes_256")) if rate), default=None)
    found = {
        "s1_b1": of(get("s1_256"), best("b1")),
        "s1_64_b0": of(get("s1_64"), best("b0")),
        "s2_b1_best": of(best("s2"), best("b1_hot")),
        "s2_b1_at64": of(get("s2_64"), get("b1_hot_64")),
        "s2_s1": of(get("s2_256"), get("s1_256")),
        "s2_s1_at64": of(get("s2_64"), get("s1_64")),
        "s3_s1": of(get("s3_256"), get("s1_256")),
        "s1_b5": of(get("s1_256"), unbatched),
        "s1_b2": of(get("s1_256"), get("b2_256")),
        "s1k_s1": worse("s1k", "s1"),
        "s1w_s1": worse("s1w", "s1"),
        "s1r_s1": worse("s1r", "s1"),
        "s1p_s1": worse("s1p", "s1"),
        "s2p_s2": worse("s2p", "s2"),
        "wire": of(get("s1r_undelayed_256"), get("s1_256")),
        "database_before": of(rounds.median("s1_256", "database"), rounds.median("s1_256", "database", before=True)),
        "idle_before": of(rounds.median("idle", "p50_ms"), rounds.median("idle", "p50_ms", before=True)),
        "limits": of(get("s1_256"), get("unguarded_256")),
        "limits_and_keys": of(get("guarded_256"), get("unguarded_256")),
        "livez_floor": of(get("livez_64"), get("floor_64")),
        "growth": of(get("growth_256"), get("s1_256")),
        "inventory_livez": of(get("s9_hits_64"), get("livez_64")),
        "purchases_per_sync": rounds.median("s1_256", "per_sync"),
        "told_p99": rounds.median("told_50", "told_p99_ms"),
        "told_rate": rounds.median("told_backlog_64", "told_per_second"),
        "p99_70": rounds.median("open_70", "p99_ms"),
        "p50_idle": rounds.median("idle", "p50_ms"),
        "popular_ms": rounds.median("popular", "p50_ms"),
        "overload_goodput": of(get("overload"), max((get("s1_64") or 0, get("s1_256") or 0))),
        "overload_503_share": share(rounds, "overload", "overloaded"),
        "overload_p99": rounds.median("overload", "p99_ms"),
    }
    return {name: round(value, 3) for name, value in found.items() if value is not None}
