"""What clients do: thirteen kinds of work mixed in one run, drawn from the seed."""
import random
import time

from faults.history import OK, Attempt, Batch

USERS, HOT_USERS, RACE_USERS = 60, 3, 12
CONSUMABLES, PERMANENTS = 6, 4
PRICE, FUNDS, HOT_FUNDS = 7, 5000, 200
STOCK = 12
CLIENTS = 12
BYSTANDERS = 10  # users that the workloads leave alone
LATELY = 60  # purchases of which one is given back


class World:
    """Users and products that a run works with. Ids are those of a fresh database."""

    def __init__(self, client):
        self.products = [self._product(client, f"consumable {n}", "consumable") for n in range(CONSUMABLES)]
        self.permanents = [self._product(client, f"permanent {n}", "permanent") for n in range(PERMANENTS)]
        self.limited = self._product(client, "limited", "consumable", stock=STOCK)
        self.users = [self._user(client, n) for n in range(USERS + HOT_USERS + RACE_USERS)]
        self.bystanders = [self._user(client, len(self.users) + n) for n in range(BYSTANDERS)]
        self.bank, rest = self.users[:USERS], self.users[USERS:]
        self.hot, self.racers = rest[:HOT_USERS], rest[HOT_USERS:]
        for user in self.users:
            funds = HOT_FUNDS if user in self.hot else FUNDS
            if client.send(Attempt(0, "deposit", user, quantity=funds, key="start")) != OK:
                raise RuntimeError(f"no funds for user {user}")

    @staticmethod
    def _create(client, path, body):
        import json
        connection = client._connect()  # pylint: disable=protected-access
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"POST {path}: {answer.status} {text.decode()}")
        return json.loads(text)["id"]

    def _product(self, client, name, kind, **more):
        return self._create(client, "/products", {"name": name, "price": PRICE, "type": kind, **more})

    def _user(self, client, n):
        return self._create(client, "/users", {"username": f"user{n}", "email": f"user{n}@example.com"})


class Mix:
    """Draws steps. Each client has a random generator of its own, so that a seed gives the same requests per client
    whatever the others do; only which purchase is given back depends on those that have been made."""

    def __init__(self, world, seed):
        self.world = world
        self.random = [random.Random(f"{seed}/{n}") for n in range(CLIENTS + 1)]
        self.keys = [0] * (CLIENTS + 1)
        self.ranks = [1 / (rank + 1) ** 0.99 for rank in range(len(world.bank))]
        self.kinds = {self.bank: 24, self.hot_wallet: 30, self.permanent_race: 8, self.stock_race: 6,
                      self.repeated_key: 14, self.unknown_retried: 12, self.cache_reads: 11, self.best_sellers: 1,
                      self.grants: 8, self.refunds: 6, self.piecewise: 3, self.baskets: 6,
                      self.presents: 2}

    def __call__(self, client, stopping):
        draw = self.random[client.number]
        work = draw.choices(list(self.kinds), list(self.kinds.values()))[0]
        work(client, draw, stopping)

    def next_key(self, client):
        self.keys[client.number] += 1
        return f"key-{client.number}-{self.keys[client.number]}"

    def hang_up(self, draw):
        """Now and then a client goes away before its answer comes."""
        return draw.random() < 0.01

    def bank(self, client, draw, _):
        """Purchases, uses and deposits of users drawn by Zipf's law."""
        user = draw.choices(self.world.bank, self.ranks)[0]
        product = draw.choice(self.world.products)
        kind = draw.choices(("purchase", "use", "deposit"), (6, 3, 1))[0]
        if kind == "deposit":
            client.send(Attempt(0, kind, user, quantity=draw.randint(1, 50), key=self.next_key(client)))
        else:
            client.send(Attempt(0, kind, user, product, draw.randint(1, 3)), self.hang_up(draw))

    def hot_wallet(self, client, draw, _):
        """Everybody spends the same few wallets, which cannot pay for all of it."""
        user = draw.choice(self.world.hot)
        if draw.random() < 0.1:
            client.send(Attempt(0, "deposit", user, quantity=5 * PRICE, key=self.next_key(client)))
        else:
            client.send(Attempt(0, "purchase", user, draw.choice(self.world.products), 1), self.hang_up(draw))

    def permanent_race(self, client, draw, _):
        """Many want to be the one purchase of a permanent, or its one gift; some do not keep it."""
        user, product = draw.choice(self.world.racers), draw.choice(self.world.permanents)
        if draw.random() < 0.2:
            client.send(Attempt(0, "grant", user, product, draw.choice((1, -1)), self.next_key(client)))
        else:
            self.buy(client, draw, Attempt(0, "purchase", user, product, 1), returned=0.3)

    def stock_race(self, client, draw, _):
        """Many want the few pieces of a limited product, some with a key; some do not keep it."""
        key = self.next_key(client) if draw.random() < 0.5 else ""
        self.buy(client, draw, Attempt(0, "purchase", draw.choice(self.world.racers), self.world.limited, 1, key),
                 returned=0.3)

    def buy(self, client, draw, purchase, returned):
        """A purchase that is given back with the probability `returned`."""
        gives_back = draw.random() < returned
        if client.send(purchase) == OK and gives_back:
            client.send(self.refund_of(purchase, key=self.next_key(client)))

    @staticmethod
    def refund_of(purchase, quantity=0, key="", force=False):
        return Attempt(0, "refund", purchase.user, purchase.product, quantity, key, purchase.answer["version"], force)

    def repeated_key(self, client, draw, _):
        """A key again with the same request, with an altered one, and by another user."""
        user, product = draw.choices(self.world.bank, self.ranks)[0], draw.choice(self.world.products)
        key = self.next_key(client)
        client.send(Attempt(0, "purchase", user, product, 1, key))
        client.send(Attempt(0, "purchase", user, product, 1, key))
        if draw.random() < 0.3:
            client.send(Attempt(0, "purchase", user, product, 2, key))
        if draw.random() < 0.3:
            other = draw.choice([u for u in self.world.bank if u != user])
            client.send(Attempt(0, "purchase", other, product, 1, key))

    def unknown_retried(self, client, draw, stopping):
        """Sent again with its key until the outcome is known."""
        product = draw.choice(self.world.products)
        user = draw.choice(self.world.hot if draw.random() < 0.5 else self.world.bank)
        attempt = Attempt(0, "purchase", user, product, 1, self.next_key(client))
        if draw.random() < 0.3:  # its client goes away at once, and asks later
            client.send(attempt, hang_up=True)
            attempt = attempt.again()
        client.insist(attempt, stopping)

    def cache_reads(self, client, draw, _):
        """A purchase, then reads that must know it."""
        user = draw.choice(self.world.bank)
        client.send(Attempt(0, "purchase", user, draw.choice(self.world.products), 1))
        for _ in range(3):
            client.send(Attempt(0, "inventory", draw.choice((user, draw.choice(self.world.hot)))))

    def grants(self, client, draw, stopping):
        """Credits and items are given and taken, also such as are not there."""
        user = draw.choice(self.world.hot if draw.random() < 0.3 else self.world.bank)
        product, quantity = draw.choice((0, draw.choice(self.world.products))), draw.randint(1, 9)
        if draw.random() < 0.4:
            quantity *= -1 if product else -9
        grant = Attempt(0, "grant", user, product, quantity, self.next_key(client) if draw.random() < 0.7 else "")
        if grant.key:
            client.insist(grant, stopping)
        else:
            client.send(grant, self.hang_up(draw))

    def baskets(self, client, draw, stopping):
        """Purchases and perhaps a deposit in one request, all or nothing or each for itself, now and then repeated."""
        user = draw.choice(self.world.hot if draw.random() < 0.5 else self.world.bank)
        key = self.next_key(client)
        operations = [Attempt(0, "purchase", user, product, draw.randint(1, 4), f"{key}.{n}")
                      for n, product in enumerate(draw.sample(self.world.products, draw.choice((2, 3))))]
        if draw.random() < 0.3:
            operations.insert(draw.randrange(len(operations)),
                              Attempt(0, "deposit", user, quantity=draw.randint(1, 3 * PRICE), key=f"{key}.deposit"))
        self.insist_and_repeat(client, draw, Batch(operations, atomic=draw.random() < 0.7), stopping)

    def presents(self, client, draw, stopping):
        """An upload of grants for several users, repeated until all is known."""
        key = self.next_key(client)
        users = draw.choices(self.world.hot + self.world.bank[:3 * HOT_USERS], k=draw.randint(2, 6))
        grants = [Attempt(0, "grant", user, draw.choice((0, draw.choice(self.world.products))),
                          draw.choice((-2, 1, 1, 3)), f"{key}.{n}") for n, user in enumerate(users)]
        self.insist_and_repeat(client, draw, Batch(grants, upload=True), stopping)

    @staticmethod
    def insist_and_repeat(client, draw, batch, stopping):
        batch = client.insist_batch(batch, stopping)
        if draw.random() < 0.2:
            client.send_batch(batch.again())

    def piecewise(self, client, draw, _):
        """A purchase is given back in two pieces, which are all of it or more."""
        purchase = Attempt(0, "purchase", draw.choice(self.world.bank), draw.choice(self.world.products), 3)
        if client.send(purchase) == OK:
            for _ in range(2):
                client.send(self.refund_of(purchase, draw.choice((1, 2))))

    def refunds(self, client, draw, stopping):
        """Purchases of lately, anybody's, are given back: in whole and in part, more than once, used up or not."""
        draws, quantity, force = draw.random(), draw.choice((0, 0, 1, 2)), draw.random() < 0.2
        key = self.next_key(client) if draw.random() < 0.6 else ""
        lately = client.history.bought[-LATELY:]
        if draws < 0.1 or not lately:
            user = draw.choice(self.world.bank)  # the first of its versions is a deposit
            client.send(Attempt(0, "refund", user, key=key, purchase=1, up_to=force))
            return
        purchase = lately[int(draws * len(lately))]
        refund = self.refund_of(purchase, quantity, key, force)
        if key:
            client.insist(refund, stopping)
            client.send(refund.again())
        else:
            client.send(refund, self.hang_up(draw))
        client.send(self.refund_of(purchase))

    def best_sellers(self, client, _draw, _stopping):
        client.send(Attempt(0, "popular"))


def probe(client, world, until):
    """Deposits until one succeeds or the time `until` has passed."""
    n = 0
    while time.monotonic() < until:
        n += 1
        attempt = Attempt(0, "deposit", world.bank[client.number % USERS], quantity=1,
                          key=f"probe-{client.number}-{n}")
        if client.send(attempt) == OK:
            return
        time.sleep(0.1)
