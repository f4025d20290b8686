"""The event log as its readers take it: every stream in the order of its positions, and a row only when those that it
names have been taken."""
import collections


def known_before(log):
    """By stream and position of a row: how far every reader has come in each stream once it has taken that row. A row
    that no reader can ever take is missing."""
    streams = collections.defaultdict(collections.deque)
    for row in log:
        streams[row.stream].append(row)
    known, came, moved = {}, collections.Counter(), True
    while moved:
        moved = False
        for stream, rows in streams.items():
            while rows and all(came[other] >= position for other, position in rows[0].after):
                row = rows.popleft()
                so_far = dict(known.get((stream, came[stream]), {}))
                for place in row.after:
                    for other, position in known.get(place, {}).items():
                        so_far[other] = max(position, so_far.get(other, 0))
                so_far[stream] = came[stream] = row.position
                known[stream, row.position] = so_far
                moved = True
    return known


def wrong_events(snapshot):
    """All users of a run were created by its servers, so every version of theirs is told, 0 being the creation."""
    log, known = snapshot.events, known_before(snapshot.events)
    told = collections.defaultdict(list)
    ends = collections.Counter()
    for row in log:
        if row.position != ends[row.stream] + 1:
            yield f"behind position {ends[row.stream]} comes {row}"
        ends[row.stream] = row.position
        versions = [(user, version) for user, first, count in row.ranges for version in range(first, first + count)]
        if row.events != (1 if row.of_product else len(versions)):
            yield f"not {row.events} events: {row}"
        if row.place not in known:
            yield f"nobody comes to {row}"
        for index, (user, version) in enumerate(versions):
            told[user].append((version, row.place, index))
    for user in snapshot.users.keys() | told.keys():
        events = sorted(told[user])
        versions = [version for version, _, _ in events]
        if versions != [0] + [row.version for row in snapshot.journal.get(user, ())]:
            wrong = collections.Counter(versions)
            wrong.subtract([0] + [row.version for row in snapshot.journal.get(user, ())])
            yield f"versions of user {user} that are told too often, or not: { {v: n for v, n in wrong.items() if n} }"
        for (_, before, first), (version, place, second) in zip(events, events[1:]):
            follows = first < second if place == before else known.get(place, {}).get(before[0], 0) >= before[1]
            if not follows:
                yield f"version {version} of user {user}, at {place}, may be read before the one at {before}"
        wallet = snapshot.users.get(user, {})
        newest = (versions[-1], events[-1][1][0]) if events else (None, None)
        if (wallet.get("event_version"), wallet.get("event_stream")) != newest:
            yield f"user {user} has the newest event {newest}, and is {wallet}"
