// Rows of users that somebody else holds: who waits for them, and who does not.
#include "coffer/ledger/ledger_metrics.hpp"
#include "ledger_session.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using test::books;
using test::deposit;
using test::outcomes;
using test::purchase;
using test::session;

namespace {

using clock_type = std::chrono::steady_clock;

/// A session of somebody else that holds the row of a user or a stock.
class holder {
 public:
  holder(const session& s, user_id user) : holder{s, "select from users where id = $1 for update", user.value} {}
  holder(const session& s, product_id product)
      : holder{s, "select from product_stock where product_id = $1 for update", product.value} {}
  void let_go() { sql_.query("rollback"); }

 private:
  holder(const session& s, const std::string& lock, std::int64_t id) : sql_{s.db.url()} {
    sql_.query("begin");
    sql_.query(lock, {std::to_string(id)});
  }

  test::sql_session sql_;
};

/// Three users and something to buy, in a lane that is connected.
struct lane_of_three {
  lane_of_three() {
    s.send(b, deposit(a, 1));
    s.send(b, purchase(other, potion));
    s.run();
  }

  /// Runs until all is answered, and gives how long that took.
  clock_type::duration run() {
    const auto started = clock_type::now();
    s.run();
    return clock_type::now() - started;
  }
  /// As run(), with a row let go a while after the start.
  void run_until_free(holder& who, clock_type::duration held) {
    const auto started = clock_type::now();
    bool free = false;
    const auto done = [&] {
      if (!free && clock_type::now() - started > held) {
        who.let_go();
        free = true;
      }
      return s.answered == s.verdicts.size();
    };
    test::run_until(s.context, done, 10s);
  }
  std::string outcome(std::size_t index) const { return session::outcome(s.verdicts[index]); }

  session s;
  books& b = s.open();
  user_id a = s.user(1'000'000);
  user_id other = s.user(1'000'000);
  user_id third = s.user(1'000'000);
  product_id potion = s.product(domain::product_type::consumable, 1);
};

/// Lets run_until() look every few milliseconds.
net::task<> tick_until(const bool& over) {
  while (!over) {
    co_await net::sleep_for(2ms);
  }
}

/// Sends commands of one user that happen together; their outcomes appear behind each other.
void send_group(session& s, books& to, std::vector<domain::command> commands) {
  const std::size_t first = s.verdicts.size();
  s.verdicts.resize(first + commands.size());
  for (domain::command& c : commands) {
    c.request_id = "group";
  }
  auto store = [&s, first](const std::exception_ptr& e, std::vector<domain::verdict> all) {
    for (std::size_t i = 0; !e && i < all.size(); ++i) {
      s.verdicts[first + i] = std::move(all[i]);
    }
    s.answered += all.size();
  };
  asio::co_spawn(s.context, to.ledger->submit_all(std::move(commands), true, net::deadline_in(5s)), std::move(store));
}

/// Makes a product that sells from a stock.
product_id make_limited(session& s, std::int64_t supply = 1000) {
  const product_id made = s.product(domain::product_type::consumable, 1);
  s.db.query("update products set is_limited = true where id = $1", {std::to_string(made.value)});
  s.db.query("insert into product_stock (product_id, supply, sold) values ($1, $2, 0)",
             {std::to_string(made.value), std::to_string(supply)});
  return made;
}

domain::command keyed(domain::command c, const std::string& key) {
  c.idempotency_key = key;
  return c;
}

}  // namespace

TEST_CASE("a user whose row somebody holds is refused alone, and only once does a batch wait long for it") {
  lane_of_three l;
  const double held = ledger::ledger_metrics::get().held.value();
  holder other_session{l.s, l.a};
  const std::size_t refused = l.s.send(l.b, deposit(l.a, 5));
  for (int i = 0; i < 50; ++i) {
    l.s.send(l.b, purchase(i % 2 == 0 ? l.other : l.third, l.potion));
  }
  CHECK(l.run() < 2s);
  CHECK(l.outcome(refused) == "unavailable");
  CHECK(l.s.outcomes() == outcomes{{"completed", 52}, {"unavailable", 1}});
  CHECK(ledger::ledger_metrics::get().held.value() == held + 1);

  const std::size_t again = l.s.send(l.b, deposit(l.a, 5));
  l.s.send(l.b, purchase(l.other, l.potion));
  CHECK(l.run() < 900ms);
  CHECK(l.outcome(again) == "unavailable");
  CHECK(l.s.outcomes() == outcomes{{"completed", 53}, {"unavailable", 2}});

  other_session.let_go();
  const std::size_t free = l.s.send(l.b, deposit(l.a, 5));
  l.s.send(l.b, purchase(l.other, l.potion));
  l.run();
  CHECK(l.outcome(free) == "completed");
  CHECK(l.s.outcomes() == outcomes{{"completed", 55}, {"unavailable", 2}});
  CHECK(test::audit(l.s.db) == "");
}

TEST_CASE("a row that is free a moment after the lane has asked is not taken for held") {
  lane_of_three l;
  holder long_one{l.s, l.a};
  holder short_one{l.s, l.third};
  const std::size_t refused = l.s.send(l.b, deposit(l.a, 5));
  l.s.send(l.b, deposit(l.other, 5));
  l.s.send(l.b, deposit(l.third, 5));
  // It has asked, and thinks: the rollback before that is followed by the question at once.
  const std::string pausing =
      "select from pg_stat_activity where application_name = 'coffer' and datname = current_database()"
      " and state = 'idle' and query = 'rollback' and clock_timestamp() - state_change > interval '5 ms'";
  bool free = false;
  const auto done = [&] {
    if (!free && l.s.db.query(pausing).size() == 1) {
      short_one.let_go();
      free = true;
    }
    return l.s.answered == l.s.verdicts.size();
  };
  asio::co_spawn(l.s.context, tick_until(free), [](const std::exception_ptr&) {});
  test::run_until(l.s.context, done, 10s);
  CHECK(l.outcome(refused) == "unavailable");
  CHECK(l.s.outcomes() == outcomes{{"completed", 4}, {"unavailable", 1}});
}

TEST_CASE("groups of a user whose row is held are refused whole, and groups of others happen whole") {
  lane_of_three l;
  holder other_session{l.s, l.a};
  send_group(l.s, l.b, {deposit(l.a, 5), purchase(l.a, l.potion)});
  send_group(l.s, l.b, {deposit(l.other, 5), purchase(l.other, l.potion), purchase(l.other, l.potion)});
  const std::size_t single = l.s.send(l.b, deposit(l.a, 7));
  CHECK(l.run() < 2s);
  CHECK(l.outcome(single) == "unavailable");
  CHECK(l.s.outcomes() == outcomes{{"completed", 5}, {"unavailable", 3}});
  CHECK(test::audit(l.s.db) == "");
}

TEST_CASE("a command alone waits on for its row, until others wait for it") {
  lane_of_three l;
  holder other_session{l.s, l.a};
  const auto started = clock_type::now();
  const std::size_t patient = l.s.send(l.b, deposit(l.a, 5));
  SECTION("nobody waits") {
    l.run_until_free(other_session, 1300ms);
    CHECK(l.outcome(patient) == "completed");
  }
  SECTION("somebody comes") {
    test::run_until(l.s.context, [&] { return clock_type::now() - started > 200ms; }, 10s);
    const std::size_t behind = l.s.send(l.b, purchase(l.other, l.potion));
    l.run();
    CHECK(clock_type::now() - started < 2s);
    CHECK(l.outcome(patient) == "unavailable");
    CHECK(l.outcome(behind) == "completed");
    const std::size_t alone = l.s.send(l.b, deposit(l.a, 5));
    l.run_until_free(other_session, 500ms);
    CHECK(l.outcome(alone) == "completed");
  }
  CHECK(test::audit(l.s.db) == "");
}

TEST_CASE("a command that cannot wait for its row as long again before its deadline is refused") {
  lane_of_three l;
  const holder other_session{l.s, l.a};
  const auto started = clock_type::now();
  const std::size_t late = l.s.send(l.b, deposit(l.a, 5), net::deadline_in(1900ms));
  l.run();
  CHECK(l.outcome(late) == "unavailable");
  CHECK(clock_type::now() - started < 1800ms);
}

TEST_CASE("purchases of a product whose stock somebody holds are refused alone, whoever buys it") {
  lane_of_three l;
  const product_id scarce = make_limited(l.s);
  const product_id plenty = make_limited(l.s);
  l.s.send(l.b, keyed(purchase(l.a, scarce), "bought before"));
  l.s.send(l.b, purchase(l.other, plenty));
  l.run();
  const double held = ledger::ledger_metrics::get().held.value();

  holder other_session{l.s, scarce};
  const std::size_t refused = l.s.send(l.b, purchase(l.a, scarce));
  const std::size_t also_refused = l.s.send(l.b, purchase(l.third, scarce));
  const std::size_t same_user = l.s.send(l.b, purchase(l.a, l.potion));
  const std::size_t replayed = l.s.send(l.b, keyed(purchase(l.a, scarce), "bought before"));
  send_group(l.s, l.b, {deposit(l.other, 5), purchase(l.other, scarce)});
  for (int i = 0; i < 25; ++i) {
    l.s.send(l.b, purchase(i % 2 == 0 ? l.other : l.third, l.potion));
    l.s.send(l.b, purchase(i % 2 == 0 ? l.other : l.third, plenty));
  }
  CHECK(l.run() < 2s);
  CHECK(l.outcome(refused) == "unavailable");
  CHECK(l.outcome(also_refused) == "unavailable");
  CHECK(l.outcome(same_user) == "completed");
  CHECK(l.outcome(replayed) == "replayed");
  CHECK(l.s.outcomes() == outcomes{{"completed", 55}, {"replayed", 1}, {"unavailable", 4}});
  CHECK(ledger::ledger_metrics::get().held.value() == held + 4);

  const std::size_t again = l.s.send(l.b, purchase(l.a, scarce));
  l.s.send(l.b, purchase(l.other, l.potion));
  CHECK(l.run() < 900ms);
  CHECK(l.outcome(again) == "unavailable");

  other_session.let_go();
  const std::size_t free = l.s.send(l.b, purchase(l.a, scarce));
  l.s.send(l.b, purchase(l.other, scarce));
  l.run();
  CHECK(l.outcome(free) == "completed");
  CHECK(l.s.outcomes() == outcomes{{"completed", 58}, {"replayed", 1}, {"unavailable", 5}});
  CHECK(l.s.db.integer("select sold from product_stock where product_id = $1", {std::to_string(scarce.value)}) == 3);
  CHECK(test::audit(l.s.db) == "");
}

TEST_CASE("a purchase alone waits on for its product's stock") {
  lane_of_three l;
  const product_id scarce = make_limited(l.s);
  l.s.send(l.b, purchase(l.a, scarce));
  l.run();
  holder other_session{l.s, scarce};
  const std::size_t patient = l.s.send(l.b, purchase(l.a, scarce));
  l.run_until_free(other_session, 1300ms);
  CHECK(l.outcome(patient) == "completed");
}

TEST_CASE("lanes of two processes sell a product at once again when a stock that was held is free") {
  session s;
  books& first = s.open(2);
  books& second = s.open(2);
  const product_id scarce = make_limited(s, 1'000'000);
  std::vector<user_id> users;
  for (int i = 0; i < 20; ++i) {
    users.push_back(s.user(1000));
  }
  const auto everybody_buys = [&] {
    for (std::size_t i = 0; i < users.size(); ++i) {
      s.send(i % 2 == 0 ? first : second, purchase(users[i], scarce));
    }
  };
  everybody_buys();
  s.run();
  CHECK(s.outcomes() == outcomes{{"completed", 20}});
  holder other_session{s, scarce};
  everybody_buys();
  s.run();
  CHECK(s.outcomes() == outcomes{{"completed", 20}, {"unavailable", 20}});
  other_session.let_go();
  for (int i = 0; i < 5; ++i) {
    everybody_buys();
  }
  s.run();
  CHECK(s.outcomes()["completed"] == 120);
  CHECK(s.outcomes() == outcomes{{"completed", 120}, {"unavailable", 20}});
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a batch whose commit is in doubt stays whole while somebody holds a row of it") {
  session s;
  test::proxied p{s};
  books& b = s.open(1, 256, 1024, p.url);
  const user_id a = s.user(100);
  const user_id other = s.user(100);
  p.proxy.inject(test::fault_point::before_completion, "commit", test::fault_action::cut);
  s.send(b, deposit(a, 5));
  s.send(b, deposit(other, 5));
  test::run_until(s.context, [&] { return p.proxy.injected() == 1; }, 10s);
  p.proxy.refuse();
  holder other_session{s, a};
  p.proxy.heal();
  const auto healed = clock_type::now();
  bool held = true;
  test::run_until(
      s.context,
      [&] {
        if (held && clock_type::now() - healed > 1300ms) {
          CHECK(s.answered == 0);
          other_session.let_go();
          held = false;
        }
        return s.answered == s.verdicts.size();
      },
      10s);
  CHECK(s.outcomes() == outcomes{{"completed", 2}});
  CHECK(s.db.integer("select count(*) from transactions where version = 2") == 2);
  CHECK(test::audit(s.db) == "");
}
