// Sessions of a server that is not any more what target_session_attrs asked for.
#include "coffer/service/database.hpp"
#include "support/catch.hpp"
#include "support/pg_environment.hpp"
#include "support/run_task.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using test::error_of;

namespace {

/// Session settings are reported as those of a reload are.
constexpr auto turn = "set default_transaction_read_only = on";

pg::options wanting(const std::string& attributes) {
  return pg::options{test::url_with(test::database_url(), {{"target_session_attrs", attributes}})};
}

struct pool_fixture {
  explicit pool_fixture(const std::string& attributes) : pool{context.get_executor(), "test", wanting(attributes)} {}
  ~pool_fixture() { test::run_task(context, pool.close(net::deadline_in(5s))); }

  pg::lease acquire() { return test::run_task(context, pool.acquire(net::deadline_in(5s))); }
  void execute(pg::lease& lease, std::string sql) {
    test::run_task(context, lease->execute(std::move(sql), net::deadline_in(5s)));
  }

  asio::io_context context{1};
  pg::pool pool;
};

}  // namespace

TEST_CASE("a session that has become read-only is not lent again where the URL asks for one that is not") {
  const std::string attributes = GENERATE("any", "primary", "read-write");
  CAPTURE(attributes);
  pool_fixture f{attributes};
  pg::lease lease = f.acquire();
  CHECK(!lease->displaced());
  f.execute(lease, turn);
  const bool displaced = attributes == "read-write";
  CHECK(lease->displaced() == displaced);
  lease.release();
  CHECK(f.pool.stats().idle == (displaced ? 0 : 1));
}

TEST_CASE("a statement that is refused because the server has become read-only costs the connection") {
  test::pg_session session;
  session.execute(turn);
  const auto e = error_of([&] { session.execute("create table nothing ()"); });
  CHECK(e.state() == pg::sqlstate::read_only_transaction);
  CHECK(e.delivered() == pg::delivery::answered);
  CHECK_FALSE(e.connection_usable());
  CHECK_FALSE(session->usable());
}

TEST_CASE("what a displaced session let us read is read again on another, what was written is not written again") {
  pool_fixture f{"read-write"};
  f.acquire().release();
  const bool reads = GENERATE(true, false);
  int attempts = 0;
  // The reload reaches the session with the statement; a write had begun before.
  const auto work = [&attempts](pg::connection& db) {
    return db.execute(++attempts == 1 ? turn : "select 1", net::deadline_in(5s));
  };
  test::run_task(f.context, service::with_connection(f.pool, net::deadline_in(5s), reads, work));
  CHECK(attempts == (reads ? 2 : 1));
}

TEST_CASE("a server that is read-only for new sessions too is tried once more and no longer") {
  pool_fixture f{"any"};
  f.acquire().release();
  int attempts = 0;
  const auto work = [&attempts](pg::connection& db) {
    ++attempts;
    return db.execute("begin read only; create table nothing ()", net::deadline_in(5s));
  };
  const auto e =
      error_of([&] { test::run_task(f.context, service::with_connection(f.pool, net::deadline_in(5s), false, work)); });
  CHECK(e.state() == pg::sqlstate::read_only_transaction);
  CHECK(attempts == 2);
}

TEST_CASE("of work that only reads nothing is unknown, whatever became of its answer") {
  pool_fixture f{"any"};
  const bool reads = GENERATE(true, false);
  const auto work = [](pg::connection& db) { return db.execute("select pg_sleep(10)", net::deadline_in(50ms)); };
  const auto e =
      error_of([&] { test::run_task(f.context, service::with_connection(f.pool, net::deadline_in(5s), reads, work)); });
  CHECK(e.kind() == pg::failure::timed_out);
  CHECK(e.delivered() == (reads ? pg::delivery::not_sent : pg::delivery::unknown));
}
