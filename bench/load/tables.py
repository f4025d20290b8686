"""Request tables: what a generator sends, one request per line, built before the run."""
import itertools
import random


def zipf(count, theta, rng, draws):
    """Ids 1..count, drawn by rank; ranks are spread over the ids, so that neighbours are not hot together."""
    weights = list(itertools.accumulate(1 / rank ** theta for rank in range(1, count + 1)))
    ids = list(range(1, count + 1))
    rng.shuffle(ids)
    return rng.choices(ids, cum_weights=weights, k=draws)


def purchase(user, product):
    return f'POST\t/products/{product}/purchase\t{{"user_id":{user}}}\t'


def use(user, product):
    return f'POST\t/products/{product}/use\t{{"user_id":{user}}}\t'


def add_funds(user):
    return f'POST\t/users/{user}/add-funds\t{{"amount":1}}\tkey'


def get(path):
    return f"GET\t{path}\t\t"


def inventory(user):
    return get(f"/users/{user}/inventory")


class Tables:
    """Writes each table once and gives its file. Reproducible: seeded by the table's name."""

    def __init__(self, sizes, folder, length):
        self.sizes, self.folder, self.length = sizes, folder, length
        self.kinds = {}

    def path(self, name):
        file = self.folder / f"{name}.tsv"
        if name not in self.kinds:
            lines = getattr(self, "make_" + name)(random.Random(name))
            file.write_text("\n".join(lines) + "\n")
            self.kinds[name] = [line.partition("\t")[0] for line in lines]
        return file

    def writes_among(self, name, sent):
        """How many of the first `sent` requests of a table that is sent round and round are writes."""
        kinds = self.kinds[name]
        rounds, rest = divmod(sent, len(kinds))
        return rounds * kinds.count("POST") + kinds[:rest].count("POST")

    def _products(self, rng):
        return rng.choices(range(1, self.sizes.products + 1), k=self.length)

    def make_uniform(self, rng):
        users = rng.choices(range(1, self.sizes.users + 1), k=self.length)
        return map_list(purchase, users, self._products(rng))

    def make_keyed(self, rng):
        """Each purchase with a key of its own."""
        return [line + "key" for line in self.make_uniform(rng)]

    def make_wide(self, rng):
        users = rng.choices(range(1, self.sizes.users + 1), k=self.length)
        return map_list(purchase, users, rng.choices(range(1, self.sizes.wide_products + 1), k=self.length))

    def make_hot_wallet(self, rng):
        return [purchase(self.sizes.hot_user, product) for product in self._products(rng)]

    def make_zipf_099(self, rng):
        return map_list(purchase, zipf(self.sizes.users, 0.99, rng, self.length), self._products(rng))

    def make_zipf_2(self, rng):
        return map_list(purchase, zipf(self.sizes.users, 2.0, rng, self.length), self._products(rng))

    def make_hot_product(self, rng):
        users = rng.choices(range(1, self.sizes.users + 1), k=self.length)
        return [purchase(user, self.sizes.hot_product) for user in users]

    def make_limited(self, rng):
        users = rng.choices(range(1, self.sizes.users + 1), k=self.length)
        return [purchase(user, self.sizes.limited_product) for user in users]

    def make_refusals(self, rng):
        """10 % poor wallets, 10 % permanents that a few users have soon."""
        poor = range(self.sizes.users + 1, self.sizes.users + self.sizes.poor + 1)
        lines = self.make_uniform(rng)
        for i in range(0, len(lines), 10):
            lines[i] = purchase(rng.choice(poor), 1)
            if i + 1 < len(lines):
                lines[i + 1] = purchase(rng.randint(1, self.sizes.readers), self.sizes.permanent)
        rng.shuffle(lines)
        return lines

    def make_mix(self, rng):
        """60 % inventories, 30 % purchases, 8 % uses, 2 % deposits, by users who own something."""
        users = rng.choices(range(1, self.sizes.readers + 1), k=self.length)
        kinds = rng.choices("ipua", weights=(60, 30, 8, 2), k=self.length)
        make = {"i": lambda u, p: inventory(u), "p": purchase, "u": use, "a": lambda u, p: add_funds(u)}
        return [make[kind](user, product) for kind, user, product in zip(kinds, users, self._products(rng))]

    def make_inventory_hits(self, rng):
        """Few enough users for a second to put every one of them into the cache."""
        cached = min(self.sizes.readers, 2000)
        return [inventory(user) for user in rng.choices(range(1, cached + 1), k=self.length)]

    def make_miss_storm(self, _rng):
        return [inventory(1)]

    def make_grown(self, rng):
        users = rng.choices(range(1, self.sizes.grown_users + 1), k=self.length)
        return map_list(purchase, users, self._products(rng))

    def make_history(self, rng):
        users = rng.choices(range(1, self.sizes.grown_users + 1), k=self.length)
        return [get(f"/users/{user}/transactions?limit=50") for user in users]

    def make_livez(self, _rng):
        return [get("/livez")]


def map_list(function, *columns):
    return [function(*row) for row in zip(*columns)]
