// The event log and its feed, against the real database: what is written with every batch, user and product, and what a
// reader gets of it, whoever writes at the same time.
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "coffer/service/events.hpp"
#include "coffer/store/batch_store.hpp"
#include "ledger_session.hpp"

namespace events_test {

using namespace coffer;
using namespace std::chrono_literals;
using domain::event_type;
using domain::event_types_wanted;

namespace {

event_types_wanted every_type() {
  event_types_wanted all;
  for (std::size_t i = 0; i < domain::event_types.size(); ++i) {
    all.add(static_cast<event_type>(i));
  }
  return all;
}

/// A shop whose events are read.
struct shop : test::session {
  shop() {
    pg::options how = test::database_options();
    how.url = db.url();
    pool = std::make_unique<pg::pool>(context.get_executor(), "test", std::move(how));
    events = std::make_unique<service::events>(context.get_executor(), *pool, tasks);
  }
  ~shop() {
    events->stop();
    test::run_task(context, pool->close(net::deadline_in(5s)));
  }
  shop(const shop&) = delete;
  shop& operator=(const shop&) = delete;

  template <typename Task>
  auto wait_for(Task task) {
    return test::run_task(context, std::move(task));
  }

  result<service::events_page> read(std::optional<store::events_place> from,
                                    event_types_wanted types = event_types_wanted::usual(), std::int64_t limit = 1000) {
    return wait_for(events->read(std::move(from), types, limit, net::deadline_in(5s)));
  }

  /// All events from the beginning, in pages of `limit`: "1-2 purchase.completed" for each.
  std::vector<std::string> told(std::int64_t limit, event_types_wanted types = event_types_wanted::usual()) {
    std::vector<std::string> all;
    std::optional<store::events_place> place;
    for (;;) {
      const auto page = read(place, types, limit);
      REQUIRE(page.has_value());
      place = page->place;
      REQUIRE(std::ssize(page->events) <= limit);
      for (const store::event& each : page->events) {
        all.push_back(spell(each));
      }
      if (page->events.empty()) {
        return all;
      }
    }
  }

  static std::string spell(const store::event& what) {
    if (const auto* row = std::get_if<domain::transaction>(&what)) {
      return fmt::format("{}-{} {}", row->user.value, row->at.value, to_string(*domain::type_of(*row)));
    }
    if (const auto* user = std::get_if<store::user_row>(&what)) {
      return fmt::format("{}-0 user.created {}", user->id.value, user->username);
    }
    const auto& change = std::get<store::product_change>(what);
    return fmt::format("product {} {} at {}", change.now.terms.id.value, change.now.name, change.now.terms.price.value);
  }

  user_id create(const std::string& name) {
    const auto lent = wait_for(pool->acquire(net::deadline_in(5s)));
    const auto made = wait_for(store::insert_user(*lent, name, name + "@example.com", net::deadline_in(5s)));
    REQUIRE(made.has_value());
    return made->id;
  }

  net::task_group tasks{context.get_executor()};
  std::unique_ptr<pg::pool> pool;
  std::unique_ptr<service::events> events;
};

/// A transaction of somebody else that has written the next row of a stream.
class other_writer {
 public:
  other_writer(const test::database& db, int stream) : sql_{db.url()} {
    sql_.query("begin");
    sql_.query(
        fmt::format("insert into event_log (stream, position, created_at, events, users, first_versions, counts)"
                    " select {0}, coalesce((select max(position) from event_log where stream = {0}), 0) + 1,"
                    " now(), 0, '{{}}', '{{}}', '{{}}'",
                    stream));
  }
  void commit() { sql_.query("commit"); }

 private:
  test::sql_session sql_;
};

}  // namespace

TEST_CASE("users, products and transactions are told in order, whatever the size of a page") {
  shop s;
  test::books& books = s.open();
  const user_id ada = s.create("ada");
  const product_id boost = s.product(domain::product_type::consumable, 5);
  const auto changed = s.wait_for([&]() -> net::task<result<domain::product>> {
    const pg::lease db = co_await s.pool->acquire(net::deadline_in(5s));
    store::product_changes changes;
    changes.price = domain::credits{7};
    changes.name = "Boost";
    co_return co_await store::update_product(*db, boost, changes, {}, net::deadline_in(5s));
  }());
  REQUIRE(changed.has_value());
  s.send(books, test::deposit(ada, 20));
  s.run();
  for (int i = 0; i < 3; ++i) {
    s.send(books, test::purchase(ada, boost));
  }
  s.run();
  const std::vector<std::string> usual = {
      fmt::format("{}-0 user.created ada", ada.value), fmt::format("product {} Boost at 7", boost.value),
      fmt::format("{}-1 deposit.completed", ada.value), fmt::format("{}-2 purchase.completed", ada.value),
      fmt::format("{}-3 purchase.completed", ada.value)};
  for (const std::int64_t limit : {1, 2, 3, 1000}) {
    CHECK(s.told(limit) == usual);
  }
  std::vector<std::string> all = usual;
  all.push_back(fmt::format("{}-4 purchase.failed", ada.value));
  CHECK(s.told(1000, every_type()) == all);
  event_types_wanted failed;
  failed.add(event_type::purchase_failed);
  CHECK(s.told(1, failed) == std::vector{all.back()});
  // A product's event shows it as it was then.
  s.db.query("update products set price = 100 where id = $1", {std::to_string(boost.value)});
  CHECK(s.told(1000) == usual);
}

TEST_CASE("a lane that meets another writer of its stream moves, and says what comes before") {
  shop s;
  test::books& books = s.open();
  const user_id user = s.create("ada");
  s.send(books, test::deposit(user, 1));
  s.run();
  CHECK(
      s.db.text("select string_agg(stream || ':' || position, ' ' order by stream) from event_log where stream > 0") ==
      "1:1");
  other_writer other{s.db, 1};
  s.send(books, test::deposit(user, 2));
  s.context.restart();
  s.context.run_for(100ms);
  CHECK(s.answered == 1);
  other.commit();
  s.run();
  CHECK(s.outcomes() == std::map<std::string, int>{{"completed", 2}});
  CHECK(s.db.integer("select count(*) from event_log where stream = 1") == 2);
  CHECK(s.db.text("select concat(after_streams, after_positions) from event_log where stream > 1") == "{1}{2}");
  CHECK(s.told(1).size() == 3);
}

TEST_CASE("a sign-up and a product that meet another writer of their stream take another one") {
  shop s;
  const auto lent = s.wait_for(s.pool->acquire(net::deadline_in(5s)));
  const store::event_stream first{store::event_stream::writer::other, lent->backend_pid()};
  CHECK(first.number() < 0);
  other_writer other{s.db, first.number()};
  std::optional<result<store::user_row>> made;
  asio::co_spawn(s.context, store::insert_user(*lent, "ada", "ada@example.com", net::deadline_in(5s)),
                 [&made](const std::exception_ptr& e, result<store::user_row> got) {
                   REQUIRE(!e);
                   made = std::move(got);
                 });
  s.context.restart();
  s.context.run_for(100ms);
  CHECK(!made);
  other.commit();
  test::run_until(s.context, [&made] { return made.has_value(); }, 5s);
  REQUIRE(made->has_value());
  CHECK(s.db.integer("select count(*) from users") == 1);
  CHECK(s.db.integer("select event_stream from users") != first.number());
  // A name that is taken is no other writer.
  CHECK(s.wait_for(store::insert_user(*lent, "ADA", "x@example.com", net::deadline_in(5s))).error().code ==
        errc::username_taken);

  other_writer another{s.db, first.number()};
  std::optional<result<domain::product>> product;
  domain::product wanted;
  wanted.name = "Boost";
  asio::co_spawn(s.context, store::insert_product(*lent, wanted, net::deadline_in(5s)),
                 [&product](const std::exception_ptr& e, result<domain::product> got) {
                   REQUIRE(!e);
                   product = std::move(got);
                 });
  s.context.restart();
  s.context.run_for(100ms);
  CHECK(!product);
  another.commit();
  test::run_until(s.context, [&product] { return product.has_value(); }, 5s);
  REQUIRE(product->has_value());
  CHECK(s.db.integer("select count(*) from event_log where product is not null") == 1);
}

TEST_CASE("what somebody wrote without an event is told with the user's next batch") {
  shop s;
  test::books& books = s.open();
  const user_id user = s.create("ada");
  s.db.query(
      "insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, request_id)"
      " values ($1, 1, 5, 2, 0, 4, 4, 'by hand')",
      {std::to_string(user.value)});
  s.db.query("update users set version = 1, balance = 4 where id = $1", {std::to_string(user.value)});
  CHECK(s.told(10).size() == 1);
  s.send(books, test::deposit(user, 1));
  s.run();
  CHECK(s.told(10) == std::vector{fmt::format("{}-0 user.created ada", user.value),
                                  fmt::format("{}-1 grant.completed", user.value),
                                  fmt::format("{}-2 deposit.completed", user.value)});
  // Of a user from before there was a log, what came before the first batch is not.
  const user_id old = s.user(5);
  s.send(books, test::deposit(old, 1));
  s.run();
  CHECK(s.told(10).back() == fmt::format("{}-2 deposit.completed", old.value));
}

TEST_CASE("a cursor from before what is kept, or beyond what there is, is refused") {
  shop s;
  test::books& books = s.open();
  const user_id user = s.create("ada");
  const auto deposit = [&] {
    s.send(books, test::deposit(user, 1));
    s.run();
  };
  deposit();
  deposit();
  deposit();
  s.db.query("update event_log set created_at = created_at - interval '2 days'");
  const store::events_place early = s.read(std::nullopt, event_types_wanted::usual(), 2)->place;
  const store::events_place end = s.read(early)->place;
  CHECK(s.wait_for(s.events->end(net::deadline_in(5s))) == end);
  const auto drop = [&](std::chrono::seconds kept) {
    const auto lent = s.wait_for(s.pool->acquire(net::deadline_in(5s)));
    return s.wait_for(store::drop_events(*lent, kept, net::deadline_in(5s)));
  };
  CHECK(drop(72h) == 0);
  CHECK(drop(24h) == 2);  // of three: the last row of each stream stays
  CHECK(drop(24h) == 0);
  CHECK(s.db.text("select string_agg(stream || ':' || position, ' ' order by stream desc) from event_log where stream"
                  " > 0") == "1:3");
  CHECK(s.read(early).error().code == errc::cursor_expired);
  CHECK(s.read(end)->events.empty());
  CHECK(s.told(10).size() == 2);  // the user, whose stream has no other row, and the last deposit
  deposit();
  CHECK(s.read(end)->events.size() == 1);
  const store::events_place newest = s.read(end)->place;
  s.db.query("delete from event_log where stream = 1 and position = 4");
  CHECK(s.read(newest).error().code == errc::cursor_ahead);
  // The log has come so far again, with other events.
  deposit();
  deposit();
  CHECK(s.read(newest).error().code == errc::cursor_ahead);
  CHECK(s.read(end)->events.size() == 2);
  s.db.query("delete from event_log where stream < 0");
  CHECK(s.read(end).error().code == errc::cursor_ahead);
}

TEST_CASE("readers see each user's events in order while several processes write the same users") {
  constexpr int users = 6, commands = 400;
  shop s;
  std::vector<user_id> all;
  for (int i = 0; i < users; ++i) {
    all.push_back(s.create("u" + std::to_string(i)));
  }
  test::books* const processes[] = {&s.open(2, 4), &s.open(2, 4), &s.open(1, 4)};
  std::map<std::int64_t, std::int64_t> next;
  std::optional<store::events_place> place;
  std::size_t seen = 0;
  const auto read = [&](std::int64_t limit) {
    const auto page = s.read(place, every_type(), limit);
    REQUIRE(page.has_value());
    place = page->place;
    for (const store::event& each : page->events) {
      const auto* row = std::get_if<domain::transaction>(&each);
      const std::int64_t user = row != nullptr ? row->user.value : std::get<store::user_row>(each).id.value;
      REQUIRE((row != nullptr ? row->at.value : 0) == next[user]);
      ++next[user];
      ++seen;
    }
    return page->events.size();
  };
  for (int i = 0; i < commands; ++i) {
    s.send(*processes[i % 3], test::deposit(all[static_cast<std::size_t>(i * 7 % users)], 1));
    if (i % 5 == 0) {
      read(1 + i % 4);
    }
  }
  s.run();
  CHECK(s.outcomes() == std::map<std::string, int>{{"completed", commands}});
  while (read(3) > 0) {
  }
  CHECK(seen == users + commands);
  // Each process has a stream 1, which the third one, with a lane only, has for all users. More streams come only where
  // two have met at one.
  CHECK(s.db.integer("select count(distinct stream) from event_log where stream > 0") > 1);
  CHECK(s.db.integer("select count(*) from event_log where after_streams is not null") > 0);
}

TEST_CASE("who waits for events is woken by what another process writes, or goes when the time is up") {
  shop s;
  test::books& books = s.open();
  const user_id user = s.create("ada");
  const store::events_place end = s.read(std::nullopt)->place;
  std::vector<net::wait_result> ended;
  const auto wait = [&](std::chrono::milliseconds patience) {
    asio::co_spawn(s.context, s.events->wait(end, net::deadline_in(patience)),
                   [&ended](const std::exception_ptr& e, net::wait_result how) {
                     REQUIRE(!e);
                     ended.push_back(how);
                   });
  };
  wait(150ms);
  test::run_until(s.context, [&] { return ended.size() == 1; }, 5s);
  CHECK(ended.back() == net::wait_result::timed_out);
  wait(5s);
  wait(5s);
  s.send(books, test::deposit(user, 1));
  const auto began = std::chrono::steady_clock::now();
  test::run_until(s.context, [&] { return ended.size() == 3; }, 5s);
  CHECK(std::chrono::steady_clock::now() - began < 3s);
  CHECK((ended[1] == net::wait_result::woken && ended[2] == net::wait_result::woken));
  s.run();
  CHECK(s.read(end)->events.size() == 1);
  // Who is behind is not let wait.
  CHECK(s.wait_for(s.events->wait(end, net::deadline_in(5s))) == net::wait_result::woken);
  const store::events_place newest = s.read(end)->place;
  for (std::size_t i = 0; i < service::events::most_waiting; ++i) {
    asio::co_spawn(s.context, s.events->wait(newest, net::deadline_in(5s)),
                   [](const std::exception_ptr& e, net::wait_result) { REQUIRE(!e); });
  }
  s.context.restart();
  s.context.run_for(20ms);
  CHECK(s.wait_for(s.events->wait(newest, net::deadline_in(5s))) == net::wait_result::full);
}

TEST_CASE("asking for events costs some pages a stream, and telling a batch a few, however long the log is") {
  test::database db;
  const auto fill = [&db](int from, int to) {
    db.query(
        fmt::format("insert into event_log (stream, position, created_at, events, users, first_versions, counts)"
                    " select s, n, now(), 16, array_fill(1, array[16]), array_fill(1, array[16]),"
                    " array_fill(1, array[16]) from generate_series(1, 4) s, generate_series({}, {}) n",
                    from, to));
  };
  const auto pages = [](const std::string& plan) {
    std::int64_t all = 0;
    for (const std::string_view name : {"\"Shared Hit Blocks\": ", "\"Shared Read Blocks\": "}) {
      const std::size_t at = plan.find(name);
      REQUIRE(at != std::string::npos);
      std::int64_t number = 0;
      std::from_chars(plan.data() + at + name.size(), plan.data() + plan.size(), number);
      all += number;
    }
    return all;
  };
  // As a server does: prepared while the log was empty, analyzed or not by the time it is long.
  test::sql_session reader{db.url()}, lane{db.url()};
  reader.query(fmt::format("prepare ahead (smallint[], bigint[], bigint) as {}", store::detail::select_log_ahead.sql));
  reader.query(fmt::format("prepare ends as {}", store::detail::select_log_ends.sql));
  pg::options how;
  store::add_batch_settings(how);
  for (const auto& [name, value] : how.settings) {
    lane.query("set " + name + " = " + value);
  }
  lane.query(
      fmt::format("prepare tell (smallint, timestamptz, integer, bigint[], bigint[], smallint[], smallint[]) as {}",
                  store::detail::insert_events_after.sql));
  for (const int length : {10, 10'000}) {
    fill(length == 10 ? 1 : 11, length);
    if (length > 10) {
      db.query("analyze event_log");
    }
    for (int i = 0; i < 6; ++i) {  // the sixth time it may be the generic plan
      const std::string explain = "explain (analyze, buffers, format json) execute ";
      const std::string ahead =
          reader.text(explain + fmt::format("ahead ('{{1,2,3,4}}', '{{{0},{0},{0},{0}}}', 129)", length));
      const std::string ends = reader.text(explain + "ends");
      lane.query("begin");
      const std::string tell = lane.text(explain + "tell (1, now(), 2, '{1,2}', '{1,1}', '{1,1}', '{2,3}')");
      lane.query("rollback");
      CAPTURE(length, i, ahead, ends, tell);
      CHECK(pages(ahead) <= 4 * 10);
      CHECK(pages(ends) <= 4 * 10);
      CHECK(pages(tell) <= 3 * 5 + 10);
    }
  }
}

}  // namespace events_test
