// The event log against the users, in parts of them as a large log is compared.
#include <memory>
#include <vector>

#include "coffer/store/books_store.hpp"
#include "support/catch.hpp"
#include "support/database.hpp"
#include "support/run_task.hpp"

namespace books_events_test {

using namespace coffer;
using namespace std::chrono_literals;

/// A database with ten users, of whom each batch of a stream has one version.
struct log {
  log() {
    db.query(
        "insert into users (id, username, email, version, event_version, event_stream)"
        " select n, 'user' || n, n || '@example.com', 3, 3, 1 from generate_series(1, 10) n");
    db.query(
        "insert into event_log (stream, position, created_at, events, users, first_versions, counts)"
        " select 1, n, now(), 10, array(select generate_series(1, 10)), array_fill(n, array[10]),"
        " array_fill(1, array[10]) from generate_series(1, 3) n");
    pg::options how;
    how.url = db.url();
    session = test::run_task(context, pg::connection::open(context.get_executor(), how, net::deadline_in(10s)));
  }

  /// What is found in each part.
  std::vector<std::int64_t> found(std::string_view rule, std::int64_t parts) {
    std::vector<std::int64_t> counts;
    for (std::int64_t part = 0; part < parts; ++part) {
      counts.push_back(
          test::run_task(context, store::compare_events(*session, rule, parts, part, net::deadline_in(10s))).count);
    }
    return counts;
  }

  test::database db;
  asio::io_context context;
  std::unique_ptr<pg::connection> session;
};

using counts = std::vector<std::int64_t>;

TEST_CASE("an event log that is compared in parts of the users is compared whole") {
  log l;
  REQUIRE(test::run_task(l.context, store::count_events(*l.session, net::deadline_in(10s))) == 30);
  for (const std::string_view rule : {store::rule::event_versions, store::rule::event_order}) {
    CHECK(l.found(rule, 1) == counts{0});
    CHECK(l.found(rule, 3) == counts{0, 0, 0});
  }
  // One wrong user in the first part, two in the second, none in the third; and events of nobody, who is in the first.
  l.db.query("update users set event_version = 2 where id in (3, 1, 7)");
  l.db.query("update event_log set users = users || null::bigint where position = 2");
  CHECK(l.found(store::rule::event_versions, 1) == counts{4});
  CHECK(l.found(store::rule::event_versions, 3) == counts{2, 2, 0});
  l.db.query("update users set event_version = 3, event_stream = 2 where id in (2, 5, 8)");
  CHECK(l.found(store::rule::event_order, 3) == counts{0, 0, 3});
  // An id that nobody should have.
  l.db.query("update users set id = -4 where id = 4");
  CHECK(l.found(store::rule::event_versions, 3) == counts{2, 4, 0});
}

}  // namespace books_events_test
