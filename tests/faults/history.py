"""What clients saw: one record per attempt, from before it was sent until its answer or the lack of one."""
import dataclasses
import json
import threading
import time

OK, FAIL, INFO = "ok", "fail", "info"
KINDS = {"deposit": 1, "purchase": 2, "use": 3, "refund": 4, "grant": 5}
# 503 with one of these codes was certainly not applied (the contract); every other 5xx may have been.
NOT_APPLIED = ("unavailable", "overloaded")


@dataclasses.dataclass
class Batch:
    """Attempts, each with a key, that are sent as one request: of one user, or an upload of grants."""
    operations: list
    atomic: bool = False          # all of them or none
    upload: bool = False

    def __post_init__(self):
        for attempt in self.operations:
            attempt.batch = self

    def again(self):
        """The same batch once more, not sent yet."""
        return Batch([attempt.again() for attempt in self.operations], self.atomic, self.upload)

    def before(self, attempt):
        """The operations in front of one of them."""
        return self.operations[:next(n for n, one in enumerate(self.operations) if one is attempt)]


@dataclasses.dataclass
class Attempt:
    """One request, or one operation of a batch. Times are seconds of the monotonic clock; `wall` is the same instant of
    the system's clock."""
    client: int
    kind: str                     # deposit, purchase, use, refund, grant, inventory, popular, change (of a product)
    user: int = 0
    product: int = 0              # 0: a grant of credits, or a refund of something that is no purchase
    quantity: int = 0             # units; credits of a deposit; of a grant negative: taken; of a refund 0: all there is
    key: str = ""
    purchase: int = 0             # version of the purchase or deposit that a refund is about
    force: bool = False           # of a refund: also of what is used up
    up_to: bool = False           # of a deposit's refund: as much as is there
    terms: dict = None            # of a change: what becomes of the product
    process: int = 0              # the server that it was sent to
    request_id: str = ""
    invoked: float = 0
    completed: float = float("inf")
    wall: float = 0
    status: int = 0               # 0: no answer came
    code: str = ""
    body: str = ""
    etag: str = ""
    retry_after: str = ""
    replayed: bool = False
    outcome: str = INFO
    abandoned: bool = False       # its client did not wait for the answer
    batch: Batch = dataclasses.field(default=None, repr=False, compare=False)

    def again(self):
        """The same request once more, not sent yet."""
        return Attempt(self.client, self.kind, self.user, self.product, self.quantity, self.key, self.purchase,
                       self.force, self.up_to, self.terms)

    @property
    def wall_completed(self):
        return self.wall + self.completed - self.invoked

    @property
    def answer(self):
        return json.loads(self.body)

    @property
    def writes(self):
        return self.kind in KINDS


def classify(status, code):
    """What an answer says about the effect: happened, certainly did not, or unknown."""
    if 200 <= status < 400:
        return OK
    if 400 <= status < 500 or (status == 503 and code in NOT_APPLIED):
        return FAIL
    return INFO


class History:
    """All attempts, appended by many threads when they are sent."""

    def __init__(self):
        self._lock = threading.Lock()
        self.attempts: list[Attempt] = []
        self.bought: list[Attempt] = []  # acknowledged purchases, in the order of their answers

    def invoke(self, attempt):
        attempt.wall = time.time()
        attempt.invoked = time.monotonic()
        with self._lock:
            self.attempts.append(attempt)

    def complete(self, attempt, status, headers, body):
        attempt.status, attempt.body = status, body
        attempt.code = json.loads(body).get("code", "") if status >= 400 and body.startswith("{") else ""
        attempt.etag, attempt.retry_after = headers.get("etag", ""), headers.get("retry-after", "")
        attempt.replayed = headers.get("idempotent-replayed") == "true"
        attempt.outcome = classify(status, attempt.code)
        attempt.completed = time.monotonic()
        if attempt.kind == "purchase" and attempt.outcome == OK:
            self.bought.append(attempt)

    def note(self, attempt, answer):
        """What somebody did past the servers, and what it showed. Call when it is done; it began with invoke()."""
        self.complete(attempt, 200, {}, json.dumps(answer))

    def withdraw(self, attempt):
        """Nothing was done: whatever is found of it is nobody's."""
        with self._lock:
            self.attempts.remove(attempt)

    def writes(self):
        return [a for a in self.attempts if a.writes]

    def by_key(self):
        """Attempts with a key by (user, key), in the order of sending."""
        found: dict[tuple[int, str], list[Attempt]] = {}
        for a in self.writes():
            if a.key:
                found.setdefault((a.user, a.key), []).append(a)
        return found
