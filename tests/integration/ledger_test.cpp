// The write path against a real database: batches, failures of one command, of a batch, and of the connection.
#include "coffer/base/metrics.hpp"
#include "coffer/ledger/ledger_metrics.hpp"
#include "ledger_session.hpp"
#include "support/shop.hpp"

namespace ledger_test {

using namespace coffer;
using namespace std::chrono_literals;
using test::books;
using test::deposit;
using test::outcomes;
using test::proxied;
using test::purchase;
using test::session;

TEST_CASE("the lane of a user is PostgreSQL's own hash of the id") {
  test::database db = test::database::empty();
  for (const std::int64_t id :
       {1LL, 2LL, 3LL, 1000LL, 123456789LL, 4294967296LL, 9007199254740991LL, -1LL, -5000000000LL}) {
    const auto expected = db.integer("select hashint8($1::bigint)", {std::to_string(id)});
    CHECK(static_cast<std::int32_t>(ledger::hash_int8(id)) == expected);
    const auto lane = db.integer("select (hashint8($1::bigint)::bigint + 2147483648) >> 27", {std::to_string(id)});
    CHECK(static_cast<std::int64_t>(ledger::lane_of(user_id{id})) == lane);
  }
}

TEST_CASE("256 queued commands are committed in one transaction") {
  session s;
  books& b = s.open();
  const user_id user = s.user(256 * 10);
  const product_id potion = s.product(domain::product_type::consumable, 10);
  // The first command finds the lane idle and goes alone; it also connects and prepares.
  s.send(b, purchase(user, potion));
  s.run();
  const auto count = "select count(distinct xmin::text) from transactions where version > 2";
  for (int i = 0; i < 255; ++i) {
    s.send(b, purchase(user, potion));
  }
  s.run();
  CHECK(s.outcomes() == outcomes{{"completed", 256}});
  CHECK(s.db.integer(count) == 1);
  CHECK(b.announced == 2);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("two processes cannot both sell a permanent to one user") {
  session s;
  books& first = s.open();
  books& second = s.open();
  const product_id premium = s.product(domain::product_type::permanent, 10);
  for (int round = 0; round < 20; ++round) {
    const user_id user = s.user(1000);
    s.send(first, purchase(user, premium));
    s.send(second, purchase(user, premium));
    s.run();
  }
  CHECK(s.outcomes() == outcomes{{"completed", 20}, {"already_owned", 20}});
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("two processes with batches over the same users do not deadlock") {
  session s;
  books& first = s.open(2);
  books& second = s.open(3);
  std::vector<user_id> users;
  for (int i = 0; i < 30; ++i) {
    users.push_back(s.user(1'000'000));
  }
  const product_id potion = s.product(domain::product_type::consumable, 1);
  const product_id elixir = s.product(domain::product_type::consumable, 2);
  for (std::size_t i = 0; i < 3000; ++i) {
    // Opposite orders in the two processes.
    s.send(first, purchase(users[i * 7 % users.size()], i % 2 == 0 ? potion : elixir));
    s.send(second, purchase(users[users.size() - 1 - i * 11 % users.size()], i % 2 == 0 ? elixir : potion));
    if (i % 500 == 499) {
      s.run();
    }
  }
  s.run();
  CHECK(s.outcomes() == outcomes{{"completed", 6000}});
  CHECK(s.db.integer("select deadlocks from pg_stat_database where datname = current_database()") == 0);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a command that the database refuses fails alone in a full batch") {
  session s;
  books& b = s.open();
  const user_id user = s.user(1'000'000);
  const product_id potion = s.product(domain::product_type::consumable, 1);
  s.db.query("alter table transactions add constraint poison check (quantity <> 777)");
  s.send(b, purchase(user, potion));
  s.run();
  std::size_t poisoned = 0;
  for (int i = 0; i < 256; ++i) {
    const bool poison = i == 100;
    const std::size_t index = s.send(b, purchase(user, potion, poison ? 777 : 1));
    poisoned = poison ? index : poisoned;
  }
  s.run();
  CHECK(s.outcomes() == outcomes{{"completed", 256}, {"internal", 1}});
  CHECK(session::outcome(s.verdicts[poisoned]) == "internal");
  CHECK(test::audit(s.db) == "");
  // The connection is clean afterwards: the next batch works.
  s.send(b, purchase(user, potion));
  s.run();
  CHECK(s.outcomes()["completed"] == 257);
}

TEST_CASE("a full lane refuses at once what nobody could wait for, and what it took is done") {
  session s;
  books& b = s.open(1, 4, 8);
  const user_id user = s.user(1'000'000);
  const product_id potion = s.product(domain::product_type::consumable, 1);
  for (int i = 0; i < 50; ++i) {
    s.send(b, purchase(user, potion));
  }
  s.run();
  const auto counts = s.outcomes();
  // Eight in the queue, eight that wait for room there.
  CHECK(counts.at("overloaded") == 34);
  CHECK(counts.at("completed") == 16);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a command whose deadline has passed is not applied") {
  session s;
  books& b = s.open();
  const user_id user = s.user(100);
  s.send(b, deposit(user, 5), net::deadline_in(-1ms));
  s.send(b, deposit(user, 7));
  s.run();
  CHECK(s.outcomes() == outcomes{{"unavailable", 1}, {"completed", 1}});
  CHECK(s.db.integer("select balance from users where id = $1", {std::to_string(user.value)}) == 107);
}

TEST_CASE("an attempt that could not end before the deadline is not begun, so that the outcome is known") {
  session s;
  books& b = s.open();
  const user_id user = s.user(100);
  test::make_journal_slow(s.db, 60);
  // The server ends a statement after 2 s: one attempt fits into 3 s, the second would be cut off by the deadline.
  const auto started = std::chrono::steady_clock::now();
  s.send(b, deposit(user, 5), net::deadline_in(3s));
  s.run();
  CHECK(s.outcomes() == outcomes{{"unavailable", 1}});
  CHECK(std::chrono::steady_clock::now() - started < 2900ms);
  CHECK(s.db.integer("select balance from users where id = $1", {std::to_string(user.value)}) == 100);
}

TEST_CASE("what is queued behind a batch that ran into a time limit is not begun when it could not end in time") {
  session s;
  books& b = s.open(1, 1);
  const user_id user = s.user(100);
  test::make_journal_slow(s.db, 60);
  // With one command in a batch: the first takes 2 s and has no time for another attempt, the second would have one of
  // its three seconds left.
  const auto started = std::chrono::steady_clock::now();
  s.send(b, deposit(user, 5), net::deadline_in(3s));
  s.send(b, deposit(user, 7), net::deadline_in(3s));
  s.run();
  CHECK(s.outcomes() == outcomes{{"unavailable", 2}});
  CHECK(std::chrono::steady_clock::now() - started < 2900ms);
  // Afterwards everything is tried again.
  s.db.query("drop trigger slow on transactions");
  s.send(b, deposit(user, 9), net::deadline_in(3s));
  s.run();
  CHECK(s.db.integer("select balance from users where id = $1", {std::to_string(user.value)}) == 109);
}

TEST_CASE("commands of unknown users leave nothing and do not disturb their batch") {
  session s;
  books& b = s.open();
  const user_id user = s.user(100);
  s.send(b, deposit(user_id{987654321}, 5));
  s.send(b, deposit(user, 5));
  s.run();
  CHECK(s.outcomes() == outcomes{{"user_not_found", 1}, {"completed", 1}});
}

TEST_CASE("a row that was read and is there no more is not refunded, nor the one in its place") {
  session s;
  books& b = s.open();
  const user_id user = s.user(0);
  s.send(b, deposit(user, 30));
  s.run();
  domain::command refund = deposit(user, 1);
  refund.kind = domain::transaction_kind::refund;
  refund.amount = {};
  refund.note = "by accident";
  refund.purchase = domain::to_refund(s.verdicts.front()->value().row);
  // A failover has lost the deposit, and the user has deposited less since.
  s.db.query(
      "update transactions set created_at = created_at + interval '1 second', amount = 20, balance_after = 20"
      " where version = 2");
  s.db.query("update users set balance = 20");
  s.send(b, refund);
  s.run();
  s.db.query("delete from transactions where version = 2");
  s.db.query("update users set balance = 0, version = 1");
  s.send(b, refund);
  s.run();
  CHECK(s.outcomes() == outcomes{{"completed", 1}, {"transaction_not_found", 2}});
  CHECK(s.db.integer("select count(*) from transactions") == 1);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a session that the server ended while idle is replaced unnoticed") {
  session s;
  books& b = s.open();
  const user_id user = s.user(100);
  s.send(b, deposit(user, 1));
  s.run();
  CHECK(s.db.terminate_sessions() >= 1);
  s.send(b, deposit(user, 1));
  s.run();
  CHECK(s.outcomes() == outcomes{{"completed", 2}});
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a connection lost around the commit is answered with the truth") {
  const bool committed = GENERATE(false, true);
  CAPTURE(committed);
  session s;
  proxied p{s};
  books& b = s.open(1, 256, 1024, p.url);
  const user_id user = s.user(1000);
  const product_id potion = s.product(domain::product_type::consumable, 10);
  s.send(b, purchase(user, potion));
  s.run();
  const auto& settled =
      committed ? ledger::ledger_metrics::get().unknown_committed : ledger::ledger_metrics::get().unknown_absent;
  const double before = settled.value();
  p.proxy.inject(committed ? test::fault_point::before_completion : test::fault_point::before_statement, "commit",
                 test::fault_action::cut);
  for (int i = 0; i < 10; ++i) {
    s.send(b, purchase(user, potion));
  }
  s.run();
  CHECK(p.proxy.injected() == 1);
  CHECK(s.outcomes() == outcomes{{"completed", 11}});
  CHECK(settled.value() == before + 1);
  CHECK(s.db.integer("select balance from users where id = $1", {std::to_string(user.value)}) == 1000 - 110);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a commit whose fate cannot be learnt in time is honestly unknown, and the key tells later") {
  const bool committed = GENERATE(false, true);
  CAPTURE(committed);
  session s;
  proxied p{s};
  books& b = s.open(1, 256, 1024, p.url);
  const user_id user = s.user(1000);
  domain::command keyed = deposit(user, 50);
  keyed.idempotency_key = "k";
  p.proxy.inject(committed ? test::fault_point::before_completion : test::fault_point::before_statement, "commit",
                 test::fault_action::cut);
  s.send(b, keyed, net::deadline_in(1500ms));
  test::run_until(s.context, [&] { return p.proxy.injected() == 1; }, 10s);
  p.proxy.refuse();
  s.run();
  CHECK(session::outcome(s.verdicts[0]) == "outcome_unknown");
  CHECK(b.doubted == 1);
  p.proxy.heal();
  s.send(b, keyed);
  s.run();
  CHECK(session::outcome(s.verdicts[1]) == (committed ? "replayed" : "completed"));
  CHECK(s.db.integer("select balance from users where id = $1", {std::to_string(user.value)}) == 1050);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a server that does not know itself what became of a commit is asked afterwards") {
  const std::string state = GENERATE("40003", "08006", "08007");
  CAPTURE(state);
  session s;
  books& b = s.open();
  const user_id user = s.user(100);
  s.db.query("create sequence tries");
  s.db.query(
      "create function lose() returns trigger language plpgsql as $$ begin"
      " if nextval('tries') = 1 then raise exception 'who knows' using errcode = '" +
      state + "'; end if; return null; end $$");
  s.db.query(
      "create constraint trigger lose after insert on transactions deferrable initially deferred"
      " for each row execute function lose()");
  const double before = ledger::ledger_metrics::get().unknown_absent.value();
  for (int i = 0; i < 3; ++i) {
    s.send(b, deposit(user, 5));
  }
  s.run();
  CHECK(s.outcomes() == outcomes{{"completed", 3}});
  CHECK(ledger::ledger_metrics::get().unknown_absent.value() == before + 1);
  CHECK(s.db.integer("select balance from users where id = $1", {std::to_string(user.value)}) == 115);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a database that cannot be reached answers unavailable, and the lane recovers by itself") {
  session s;
  proxied p{s};
  books& b = s.open(1, 256, 1024, p.url);
  const user_id user = s.user(1000);
  p.proxy.refuse();
  s.send(b, deposit(user, 1));
  s.run();
  CHECK(s.outcomes() == outcomes{{"unavailable", 1}});
  p.proxy.accept_again();
  s.send(b, deposit(user, 1));
  s.run();
  CHECK(s.outcomes() == outcomes{{"unavailable", 1}, {"completed", 1}});
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a stalled database is given up at the deadline and nothing is doubled afterwards") {
  session s;
  proxied p{s};
  books& b = s.open(1, 256, 1024, p.url);
  const user_id user = s.user(1000);
  s.send(b, deposit(user, 1));
  s.run();
  p.proxy.stall_all();
  const auto started = std::chrono::steady_clock::now();
  s.send(b, deposit(user, 1), net::deadline_in(700ms));
  s.run();
  CHECK(std::chrono::steady_clock::now() - started < 3s);
  p.proxy.heal();
  s.send(b, deposit(user, 1));
  s.run();
  const auto completed = s.outcomes()["completed"];
  CHECK(s.db.integer("select balance from users where id = $1", {std::to_string(user.value)}) >= 1000 + completed);
  CHECK(test::audit(s.db) == "");
}

}  // namespace ledger_test
