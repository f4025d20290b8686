"""The invariants I1 to I12, I15 and I16 over what clients saw (History) and the books (Snapshot). I13 and I14 are in
health.py.

Each is a generator of violations as text. A rule that needs an assumption about the run names it."""
import bisect
import collections
import datetime

from faults.decisions import Decisions
from faults.events import wrong_events
from faults.history import FAIL, INFO, KINDS, OK
from faults.replay import states

NUMBERS = (*range(1, 13), 15, 16)
SHOWN = 5  # violations of an invariant that are reported
SHOWN_PRODUCTS = 5        # best sellers of an answer
COUNTED = ("purchases", "units", "revenue")
CLOCK_STEP = 0.05         # seconds; between what two processes of one machine call the same instant
STATEMENT_LIMIT = 2.5     # seconds; a statement may see what is committed after the time that it gives, for so long


def shortened(violations):
    """The first few, and how many there are."""
    return violations[:SHOWN] + [f"{len(violations)} in all"] if violations else []


class Checker:
    def __init__(self, history, snapshot, popular_ttl):
        self.cached_at_most = popular_ttl + 10.0  # seconds; a load may take as long as a request
        self.popular = [a for a in history.attempts if a.kind == "popular" and a.outcome == OK]
        self.history, self.snapshot = history, snapshot
        self.rows_by_request = collections.defaultdict(list)
        self.journal = {(row.user_id, row.version): row for row in snapshot.rows}
        self.rows_by_key = collections.defaultdict(list)
        for row in snapshot.rows:
            self.rows_by_request[row.request_id].append(row)
            if row.idempotency_key is not None:
                self.rows_by_key[row.user_id, row.idempotency_key].append(row)
        self.states = {user: states(rows) for user, rows in snapshot.journal.items()}
        # By version, which a wrong server may leave out: the state that it left behind, and the one before it.
        self.after = {user: {0: known[0], **{row.version: state for row, state in
                                             zip(snapshot.journal[user], known[1:])}}
                      for user, known in self.states.items()}
        self.before = {(user, row.version): state for user, known in self.states.items()
                       for row, state in zip(snapshot.journal[user], known)}
        self.acknowledged = self._acknowledged(history.attempts)
        # By the server that told: what it has told, its own readers know at once.
        self.acknowledged_by = {process: self._acknowledged([a for a in history.attempts if a.process == process])
                                for process in {a.process for a in history.attempts}}
        self.decisions = Decisions(history, snapshot, self.before)

    def run(self):
        """The violations by invariant; an empty dictionary is what a correct server gives."""
        found = {}
        for number in NUMBERS:
            violations = list(getattr(self, f"i{number}")())
            if violations:
                found[f"I{number}"] = shortened(violations)
        return found

    # What several invariants need.

    def rows_of(self, attempt):
        """Rows that the attempt may have made: its own request's, or its key's."""
        if attempt.key:
            return self.rows_by_key[attempt.user, attempt.key]
        return self.rows_by_request[attempt.request_id]

    def matches(self, row, attempt):
        return (row.user_id == attempt.user and row.kind == KINDS[attempt.kind] and
                (row.product_id or 0) == attempt.product and self.decisions.books(row, attempt))

    def version_told(self, attempt):
        """The version that an answer proves to exist: of its own row, or of the state that a read shows."""
        if attempt.outcome == OK and attempt.kind in KINDS:
            return attempt.answer["version"]
        if attempt.outcome == OK and attempt.kind == "inventory" and attempt.status == 200:
            return attempt.answer["version"]
        if attempt.outcome == FAIL and attempt.kind in KINDS:
            rows = self.rows_by_request.get(attempt.request_id, ())
            return next((row.version for row in rows
                         if (row.user_id, row.idempotency_key) == (attempt.user, attempt.key or None)), None)
        return None

    def _acknowledged(self, attempts):
        """By user: the times at which the newest version known to clients grew, and those versions."""
        told = collections.defaultdict(list)
        for attempt in attempts:
            version = self.version_told(attempt)
            if version is not None:
                told[attempt.user].append((attempt.completed, version))
        found = {}
        for user, events in told.items():
            times, versions, newest = [], [], 0
            for at, version in sorted(events):
                newest = max(newest, version)
                times.append(at)
                versions.append(newest)
            found[user] = (times, versions)
        return found

    @staticmethod
    def newest_before(acknowledged, user, time):
        times, versions = acknowledged.get(user, ([], []))
        at = bisect.bisect_left(times, time)
        return versions[at - 1] if at else 0

    # The invariants.

    def i1(self):
        """What was acknowledged is in the journal exactly once, as it was asked for."""
        for a in self.history.writes():
            if a.outcome != OK:
                continue
            rows = [row for row in self.rows_of(a) if row.completed]
            if len(rows) != 1 or not self.matches(rows[0], a):
                yield f"{a.request_id} {a.kind} of user {a.user} was acknowledged, and has the rows {rows}"

    def i2(self):
        """What failed in every attempt did not happen."""
        keyed = self.history.by_key().values()
        alone = ([a] for a in self.history.writes() if not a.key)
        for attempts in (*keyed, *alone):
            if all(a.outcome == FAIL for a in attempts):
                for row in self.rows_of(attempts[0]):
                    if row.completed:
                        yield f"{attempts[0].request_id} failed, and has the completed row {row}"

    def i3(self):
        """What is unknown happened at most once, and an atomic batch as a whole or not at all."""
        for a in self.history.writes():
            if a.outcome == INFO and len(self.rows_of(a)) > 1:
                yield f"{a.request_id} is unknown, and has {len(self.rows_of(a))} rows"
            if a.batch and a.batch.atomic and a.batch.operations[0] is a:
                done = [any(row.completed for row in self.rows_of(one)) for one in a.batch.operations]
                if any(done) and not all(done):
                    yield f"{a.request_id} is an atomic batch, and of its operations happened {done}"

    def i4(self):
        """Nothing is in the journal that nobody asked for."""
        issued = {(a.request_id, a.key or None): a for a in self.history.writes()}
        for row in self.snapshot.rows:
            a = issued.get((row.request_id, row.idempotency_key))
            if a is None or a.user != row.user_id or KINDS[a.kind] != row.kind:
                yield f"nobody issued {row}"

    def i5(self):
        """Every balance is the sum of the journal, and balance_after the running sum."""
        total = 0
        for user, known in self.snapshot.users.items():
            for state, row in zip(self.states[user][1:], self.snapshot.journal[user]):
                if row.balance_after != state.balance:
                    yield f"the journal gives {state.balance} after {row}"
            last = self.states[user][-1].balance
            total += last - known["balance"]
            if known["balance"] != last:
                yield f"user {user} has {known['balance']}, the journal gives {last}"
        if total != 0:
            yield f"all balances together are off by {total}"

    def i6(self):
        """No balance and no stock of items was ever negative."""
        for user, known in self.states.items():
            for row, state in zip(self.snapshot.journal[user], known[1:]):
                if state.balance < 0 or min(state.items.values(), default=0) < 0 or row.balance_after < 0:
                    yield f"user {user} has {state} after {row}"

    def i7(self):
        """Inventories are bought and granted less used, taken and refunded; a permanent is owned once at most; no stock
        is sold twice, and no purchase refunded twice."""
        expected = {(user, product): units for user, known in self.states.items()
                    for product, units in known[-1].items.items()}
        for line in expected.keys() | self.snapshot.inventory.keys():
            owned, right = self.snapshot.inventory.get(line, 0), expected.get(line, 0)
            if owned != right:
                yield f"user and product {line}: {owned} owned, the journal gives {right}"
            if self.snapshot.products[line[1]]["type"] == 2 and owned > 1:
                yield f"user and product {line}: {owned} of a permanent"
        yield from self.decisions.wrong_stocks()
        yield from self.decisions.wrong_refunds()

    def i8(self):
        """A key has one effect at most, and everybody who was told of it was told the same."""
        for (user, key), attempts in self.history.by_key().items():
            if len(self.rows_by_key[user, key]) > 1:
                yield f"user {user} has {len(self.rows_by_key[user, key])} rows with the key {key}"
            told = {(a.status, a.body) for a in attempts if a.outcome == OK}
            if len(told) > 1:
                yield f"the key {key} of user {user} had different answers: {sorted(told)}"

    def i9(self):
        """Nobody was told of a row that is not there, or is not like that."""
        for a in self.history.writes():
            if a.outcome != OK:
                continue
            told = a.answer["transaction"]
            row = self.journal.get((a.user, told["version"]))
            if row is None or self._told_of(row) != {name: told.get(name) for name in self._told_of(row)}:
                yield f"{a.request_id} was told {told}, the journal has {row}"

    @staticmethod
    def _told_of(row):
        """The members of an answer that a completed row gives."""
        is_refund = row.kind == KINDS["refund"]
        return {"version": row.version, "amount": row.amount, "quantity": row.quantity, "request_id": row.request_id,
                "balance_after": row.balance_after, "product_id": row.product_id,
                "refunded_version": row.detail_1 if is_refund else None, "missing": row.detail_2 if is_refund else None}

    def i10(self):
        """Versions are dense and follow real time; every refusal was right in a state of its time."""
        for user, rows in self.snapshot.journal.items():
            versions = [row.version for row in rows]
            wallet = self.snapshot.users.get(user, {"version": "no version"})
            if versions != list(range(1, len(rows) + 1)) or wallet["version"] != len(rows):
                yield f"user {user} at {wallet['version']} has the versions {versions[-5:]}"
        for a in self.history.writes():
            version = self.version_told(a)
            if version is not None and not a.replayed and version <= self.newest_before(
                    self.acknowledged, a.user, a.invoked):
                yield f"{a.request_id} has version {version}, and a later one was acknowledged before it was sent"
            if a.status in (402, 404, 409):
                yield from self.decisions.unjustified(a, next(iter(self.rows_of(a)), None))

    def i11(self):
        """A read shows the state of the version that it claims, and none older than what its server had told of before
        it."""
        for a in self.history.attempts:
            if a.kind != "inventory" or a.outcome != OK:
                continue
            version = int(a.etag.strip('"').rpartition("-")[2]) if a.status == 304 else a.answer["version"]
            if version < self.newest_before(self.acknowledged_by[a.process], a.user, a.invoked):
                yield f"a read of user {a.user} gave version {version}, which was old before it was sent"
            state = self.after.get(a.user, {}).get(version)
            if state is None:
                yield f"a read of user {a.user} gave version {version}, which does not exist"
            elif a.status == 200:
                shown = {item["product_id"]: item["quantity"] for item in a.answer["items"]}
                if shown != state.owned():
                    yield f"user {a.user} at version {version} was shown {shown}"

    def i12(self):
        """The best sellers are those of the instant that they say they were read at, which was not long ago: everything
        that was acknowledged before it is counted, and nothing that was booked after it."""
        told = self._told()
        sales, refunds = list(self._sales()), list(self._refunded_sales())
        least, most = RunningSales(sales, told), RunningSales(sales)
        given_back = RunningSales(refunds, told), RunningSales(refunds)
        for a in self.popular:
            lines = a.answer["products"]
            shown = {line["product_id"]: tuple(line[name] for name in COUNTED) for line in lines}
            if lines != sorted(lines, key=lambda line: (-line["purchases"], line["product_id"])):
                yield f"not in order: {shown}"
            read = datetime.datetime.fromisoformat(a.answer["to"].replace("Z", "+00:00")).timestamp()
            if not a.wall - self.cached_at_most <= read <= a.wall_completed + CLOCK_STEP:
                yield f"{a.request_id}, sent at {a.wall:.3f}, was answered with what was read at {read:.3f}"
            early, late = read - CLOCK_STEP, read + STATEMENT_LIMIT
            for product, counted in shown.items():
                low = less(least.until(product, early), given_back[1].until(product, late))
                high = less(most.until(product, late), given_back[0].until(product, early))
                if not all(one <= told <= other for one, told, other in zip(low, counted, high)):
                    yield f"product {product}: {counted} shown, {low} to {high} is right"
            floor = lines[-1]["purchases"] if len(lines) >= SHOWN_PRODUCTS else 0
            for product in least.products - shown.keys():
                missed, _, _ = less(least.until(product, early), given_back[1].until(product, late))
                if missed > floor:
                    yield f"product {product} with {missed} purchases is not shown"

    def i15(self):
        """Every purchase, and every refusal of one for its product's terms, is by terms that were in force at some
        moment between its request and its answer."""
        yield from self.decisions.wrong_terms()

    def i16(self):
        """Whoever follows the event log is told of every row of the journal once, of each user's in their order, and of
        nothing that is not there."""
        yield from wrong_events(self.snapshot)

    def _sales(self):
        """Rows of completed purchases, with the number of purchases that each stands for."""
        return ((row, 1) for row in self.snapshot.rows if row.completed and row.kind == KINDS["purchase"])

    def _refunded_sales(self):
        """Rows of completed refunds; the one that takes the last units of a purchase stands for that purchase."""
        left = {(row.user_id, row.version): row.quantity for row, _ in self._sales()}
        for row in self.snapshot.rows:
            purchase = row.user_id, row.detail_1
            if row.completed and row.kind == KINDS["refund"] and purchase in left:
                left[purchase] -= row.quantity
                yield row, 1 if left[purchase] == 0 else 0

    def _told(self):
        """The first instant at which somebody had been told of a purchase or refund, by user and version."""
        told = {}
        for a in self.history.writes():
            if a.kind in ("purchase", "refund") and a.outcome == OK:
                sale = a.user, a.answer["version"]
                told[sale] = min(a.wall_completed, told.get(sale, a.wall_completed))
        return told


def less(sums, given_back):
    """What is left of sums of purchases, units and revenue."""
    return tuple(total - back for total, back in zip(sums, given_back))


class RunningSales:
    """What was sold, or refunded, of each product up to an instant: purchases, units, revenue. With `told`: from when
    it had been told on, and only of what had been."""

    def __init__(self, sales, told=None):
        self.times, self.sums = collections.defaultdict(list), collections.defaultdict(lambda: [(0, 0, 0)])
        timed = ((row.created_at if told is None else told.get((row.user_id, row.version)), row, count)
                 for row, count in sales)
        for at, row, count in sorted((sale for sale in timed if sale[0] is not None), key=lambda sale: sale[0]):
            purchases, units, revenue = self.sums[row.product_id][-1]
            self.times[row.product_id].append(at)
            self.sums[row.product_id].append((purchases + count, units + row.quantity, revenue + row.amount))

    @property
    def products(self):
        return self.times.keys()

    def until(self, product, time):
        return self.sums[product][bisect.bisect_right(self.times[product], time)] if product in self.times else (0, 0, 0)
