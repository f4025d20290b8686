#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "coffer/base/metrics.hpp"
#include "coffer/net/task_group.hpp"
#include "coffer/pg/pool.hpp"
#include "support/catch.hpp"
#include "support/fault_proxy.hpp"
#include "support/pg_environment.hpp"
#include "support/run_task.hpp"

namespace pg_pool_test {

using namespace coffer;
using namespace std::chrono_literals;
using pg::params;
using test::error_of;

namespace {

constexpr pg::statement pid_of{"pid_of", "select pg_backend_pid()"};
constexpr pg::statement sleeping{"sleeping", "select pg_sleep($1)"};
constexpr pg::statement bad{"bad", "select 1 / $1::int8"};

pg::pool_limits limits_of(std::size_t size, std::size_t max_waiting = 100) {
  pg::pool_limits limits;
  limits.size = size;
  limits.max_waiting = max_waiting;
  limits.min_backoff = 10ms;
  limits.max_backoff = 50ms;
  return limits;
}

/// A pool with a context of its own, used step by step.
struct pool_fixture {
  explicit pool_fixture(pg::pool_limits limits, pg::options how = test::database_options())
      : pool{context.get_executor(), "test", std::move(how), limits} {}
  ~pool_fixture() { test::run_task(context, pool.close(net::deadline_in(5s))); }

  pg::lease acquire(std::chrono::milliseconds limit = 5s) {
    return test::run_task(context, pool.acquire(net::deadline_in(limit)));
  }
  std::int32_t pid(pg::lease& lease) {
    return test::run_task(context, lease->query(pid_of, net::deadline_in(5s))).int32(0, 0);
  }

  asio::io_context context{1};
  pg::pool pool;
};

net::task<> use_once(pg::pool* pool, std::vector<int>* order, int who, double seconds) {
  pg::lease lease = co_await pool->acquire(net::deadline_in(5s));
  order->push_back(who);
  co_await lease->query(sleeping, params::of(seconds), net::deadline_in(5s));
}

struct tally {
  int done = 0;
  int not_sent = 0;
  int unknown = 0;
  int other = 0;
};

/// Uses connections until `enough` have been used and lost, by all users together.
net::task<> use_often(pg::pool* pool, tally enough, tally* counts) {
  while (counts->done < enough.done || counts->unknown < enough.unknown) {
    try {
      pg::lease lease = co_await pool->acquire(net::deadline_in(5s));
      const pg::rows r = co_await lease->query(sleeping, params::of(0.0005), net::deadline_in(5s));
      counts->done += r.size();
    } catch (const pg::error& e) {
      ++(e.delivered() == pg::delivery::not_sent  ? counts->not_sent
         : e.delivered() == pg::delivery::unknown ? counts->unknown
                                                  : counts->other);
    }
  }
}

net::task<> acquire_once(pg::pool* pool, tally* counts) {
  try {
    co_await pool->acquire(net::deadline_in(5s));
    ++counts->done;
  } catch (const pg::error& e) {
    ++(e.delivered() == pg::delivery::not_sent ? counts->not_sent : counts->other);
  }
}

/// Ends sleeping backends of this database until told to stop.
void kill_sleepers(const std::atomic<bool>* stop) {
  while (!*stop) {
    try {
      test::pg_session session;
      while (!*stop) {
        session.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and "
            "query = 'select pg_sleep($1)' order by random() limit 1");
        std::this_thread::sleep_for(20ms);
      }
    } catch (const pg::error&) {
      // A loaded machine: try again.
    }
  }
}

}  // namespace

TEST_CASE("a returned connection is lent again") {
  pool_fixture f{limits_of(2)};
  std::int32_t pid = 0;
  {
    pg::lease lease = f.acquire();
    pid = f.pid(lease);
    CHECK(f.pool.stats() == pg::pool_stats{0, 1, 0, 0});
  }
  CHECK(f.pool.stats() == pg::pool_stats{1, 0, 0, 0});
  pg::lease again = f.acquire();
  CHECK(f.pid(again) == pid);
  pg::lease second = f.acquire();
  CHECK(f.pid(second) != pid);
}

TEST_CASE("callers are served in the order they came") {
  pool_fixture f{limits_of(1)};
  std::vector<int> order;
  net::task_group group{f.context.get_executor()};
  for (int who = 0; who < 5; ++who) {
    group.spawn("use_once", use_once(&f.pool, &order, who, 0.002));
  }
  test::run_until(f.context, [&group] { return group.size() == 0; }, 10s);
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("a caller that finds everything lent waits until its deadline, and its place is free again") {
  pool_fixture f{limits_of(1, 1)};
  pg::lease lease = f.acquire();
  for (int i = 0; i < 3; ++i) {
    const auto e = error_of([&] { f.acquire(20ms); });
    CHECK(e.kind() == pg::failure::exhausted);
    CHECK(e.delivered() == pg::delivery::not_sent);
  }
  CHECK(f.pool.stats() == pg::pool_stats{0, 1, 0, 0});
  lease.release();
  CHECK(f.acquire(20ms));
}

TEST_CASE("more callers than may wait are refused at once") {
  pool_fixture f{limits_of(1, 1)};
  pg::lease lease = f.acquire();
  std::vector<int> order;
  net::task_group group{f.context.get_executor()};
  group.spawn("use_once", use_once(&f.pool, &order, 1, 0.0));
  f.context.restart();
  f.context.poll();
  REQUIRE(f.pool.stats().waiting == 1);
  const auto e = error_of([&] { f.acquire(5s); });
  CHECK(e.kind() == pg::failure::exhausted);
  lease.release();
  test::run_until(f.context, [&group] { return group.size() == 0; }, 10s);
}

TEST_CASE("connections that died while idle are discarded at checkout without anybody noticing") {
  pool_fixture f{limits_of(3)};
  {
    pg::lease a = f.acquire();
    pg::lease b = f.acquire();
    pg::lease c = f.acquire();
    for (pg::lease* lease : {&a, &b, &c}) {
      const std::int32_t pid = f.pid(*lease);
      lease->release();
      test::kill_backend(pid);
    }
  }
  CHECK(f.pool.stats().idle == 3);
  pg::lease fresh = f.acquire();
  CHECK(f.pid(fresh) > 0);
  CHECK(f.pool.stats() == pg::pool_stats{0, 1, 0, 0});
}

TEST_CASE("a connection that is returned inside a transaction, or failed, is not lent again") {
  pool_fixture f{limits_of(1)};
  std::int32_t pid = 0;
  SECTION("inside a transaction") {
    pg::lease lease = f.acquire();
    pid = f.pid(lease);
    test::run_task(f.context, lease->execute("begin", net::deadline_in(5s)));
  }
  SECTION("inside a failed transaction") {
    pg::lease lease = f.acquire();
    pid = f.pid(lease);
    test::run_task(f.context, lease->execute("begin", net::deadline_in(5s)));
    error_of([&] { test::run_task(f.context, lease->query(bad, params::of(std::int64_t{0}), net::deadline_in(5s))); });
  }
  SECTION("after a deadline") {
    pg::lease lease = f.acquire();
    pid = f.pid(lease);
    error_of([&] { test::run_task(f.context, lease->query(sleeping, params::of(0.5), net::deadline_in(20ms))); });
  }
  SECTION("discarded") {
    pg::lease lease = f.acquire();
    pid = f.pid(lease);
    lease.discard();
  }
  CHECK(f.pool.stats() == pg::pool_stats{0, 0, 0, 0});
  pg::lease fresh = f.acquire();
  CHECK(f.pid(fresh) != pid);
}

TEST_CASE("a failed statement outside a transaction costs no connection") {
  pool_fixture f{limits_of(1)};
  pg::lease lease = f.acquire();
  const std::int32_t pid = f.pid(lease);
  error_of([&] { test::run_task(f.context, lease->query(bad, params::of(std::int64_t{0}), net::deadline_in(5s))); });
  lease.release();
  pg::lease again = f.acquire();
  CHECK(f.pid(again) == pid);
}

TEST_CASE("a connection past its age is replaced when it is returned") {
  pg::pool_limits limits = limits_of(1);
  limits.max_age = 10ms;
  pool_fixture f{limits};
  pg::lease lease = f.acquire();
  const std::int32_t pid = f.pid(lease);
  test::run_task(f.context, net::sleep_for(15ms));
  lease.release();
  CHECK(f.pool.stats().idle == 0);
  pg::lease again = f.acquire();
  CHECK(f.pid(again) != pid);
}

TEST_CASE(
    "while the server refuses, callers wait until their deadline and learn why; then the pool recovers by itself") {
  const test::server_address server = test::database_address();
  test::fault_proxy proxy{server.host, server.port};
  proxy.refuse();
  pool_fixture f{limits_of(2), pg::options{test::url_with(test::database_url(), proxy.keywords())}};
  const auto e = error_of([&] { f.acquire(120ms); });
  CHECK(e.kind() == pg::failure::connect);
  CHECK(e.state() == pg::sqlstate::cannot_establish_connection);
  CHECK(e.delivered() == pg::delivery::not_sent);
  std::jthread healer{[&proxy] {
    std::this_thread::sleep_for(100ms);
    proxy.accept_again();
  }};
  CHECK(f.acquire(5s));
}

TEST_CASE("a login that fails is counted and shown by its SQLSTATE") {
  pool_fixture f{limits_of(1),
                 pg::options{test::url_with(test::database_url(), {{"dbname", "coffer_no_such_database"}})}};
  const auto counter = [] {
    return metrics::make_counter("coffer_pg_connect_failures_total", "Failed attempts to connect to PostgreSQL",
                                 {{"pool", "test"}, {"sqlstate", "3D000"}})
        .value();
  };
  const double before = counter();
  const auto e = error_of([&] { f.acquire(100ms); });
  CHECK(e.state() == pg::sqlstate::invalid_catalog_name);
  CHECK(counter() > before);
}

TEST_CASE("a pool whose server stalls keeps its callers no longer than their deadline, and comes back") {
  const test::server_address server = test::database_address();
  test::fault_proxy proxy{server.host, server.port};
  pg::options how{test::url_with(test::database_url(), proxy.keywords())};
  how.connect_timeout = 100ms;
  pool_fixture f{limits_of(2), how};
  f.acquire();
  proxy.stall_all();
  {
    pg::lease lease = f.acquire(50ms);  // an idle connection shows no sign of it
    const auto e = error_of([&] { test::run_task(f.context, lease->query(pid_of, net::deadline_in(50ms))); });
    CHECK(e.kind() == pg::failure::timed_out);
  }
  const auto e = error_of([&] { f.acquire(250ms); });
  CHECK(e.kind() == pg::failure::connect);
  CHECK(e.state() == pg::sqlstate::cannot_establish_connection);
  proxy.heal();
  CHECK(f.acquire(5s));
}

TEST_CASE("closing waits for what is lent, refuses everybody else, and closes what comes back") {
  auto f = std::make_unique<pool_fixture>(limits_of(2));
  std::vector<int> order;
  net::task_group group{f->context.get_executor()};
  group.spawn("use_once", use_once(&f->pool, &order, 1, 0.1));
  test::run_until(f->context, [&order] { return order.size() == 1; }, 10s);
  test::run_task(f->context, f->pool.close(net::deadline_in(5s)));
  CHECK(f->pool.stats() == pg::pool_stats{0, 0, 0, 0});
  CHECK(group.size() == 0);
  const auto e = error_of([&] { f->acquire(); });
  CHECK(e.kind() == pg::failure::closed);
  CHECK(e.delivered() == pg::delivery::not_sent);
}

TEST_CASE("closing stops waiting at its deadline and a lease may outlive the pool") {
  asio::io_context context{1};
  auto pool = std::make_unique<pg::pool>(context.get_executor(), "test", test::database_options(), limits_of(2));
  pg::lease lease = test::run_task(context, pool->acquire(net::deadline_in(5s)));
  const auto start = std::chrono::steady_clock::now();
  test::run_task(context, pool->close(net::deadline_in(50ms)));
  CHECK(std::chrono::steady_clock::now() - start >= 50ms);
  pool.reset();
  CHECK(test::run_task(context, lease->query(pid_of, net::deadline_in(5s))).size() == 1);
  lease.release();
  CHECK_FALSE(lease);
}

TEST_CASE("closing ends the wait of callers in line and of connections being made") {
  const test::server_address server = test::database_address();
  test::fault_proxy proxy{server.host, server.port};
  proxy.stall_all();
  pg::options how{test::url_with(test::database_url(), proxy.keywords())};
  how.connect_timeout = 200ms;
  pool_fixture f{limits_of(1), how};
  tally counts;
  net::task_group group{f.context.get_executor()};
  group.spawn("acquire_once", acquire_once(&f.pool, &counts));
  f.context.restart();
  f.context.poll();
  CHECK(f.pool.stats() == pg::pool_stats{0, 0, 1, 1});
  test::run_task(f.context, f.pool.close(net::deadline_in(5s)));
  CHECK(f.pool.stats() == pg::pool_stats{0, 0, 0, 0});
  CHECK(counts.not_sent == 1);
  // Nobody's deadline keeps a loop going that has nothing else to do.
  const auto began = std::chrono::steady_clock::now();
  f.context.restart();
  f.context.run_for(10s);
  CHECK(std::chrono::steady_clock::now() - began < 900ms);
}

TEST_CASE("many callers share few connections while backends are killed, and the books balance") {
  pool_fixture f{limits_of(4)};
  tally counts;
  net::task_group group{f.context.get_executor()};
  tally enough;
  enough.done = 500;
  enough.unknown = 3;
  for (int i = 0; i < 40; ++i) {
    group.spawn("use_often", use_often(&f.pool, enough, &counts));
  }
  std::atomic<bool> stop = false;
  std::thread killer{kill_sleepers, &stop};
  test::run_until(f.context, [&group] { return group.size() == 0; }, 60s);
  stop = true;
  killer.join();
  CHECK(counts.other == 0);
  CHECK(counts.done >= enough.done);
  CHECK(counts.unknown >= enough.unknown);
  // A connection that was asked for by a caller who has got another by now may still be made.
  test::run_until(f.context, [&f] { return f.pool.stats().connecting == 0; }, 10s);
  const pg::pool_stats s = f.pool.stats();
  CHECK(s.leased + s.connecting + s.waiting == 0);
  CHECK(s.idle <= 4);
}

}  // namespace pg_pool_test
