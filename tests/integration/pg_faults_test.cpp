#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/fault_proxy.hpp"
#include "support/pg_environment.hpp"
#include "support/run_task.hpp"

namespace pg_faults_test {

using namespace coffer;
using namespace std::chrono_literals;
using pg::params;
using pg::pipeline;
using test::error_of;
using test::fault_action;
using test::fault_point;
using test::pg_session;

namespace {

constexpr pg::statement begin{"begin", "begin"};
constexpr pg::statement commit{"commit", "commit"};
constexpr pg::statement sleeping{"sleeping", "select pg_sleep($1)"};
constexpr pg::statement mark{"mark", "insert into pg_faults_marks (id) values ($1)"};

/// A table that outlives sessions, seen past the proxy.
class marks {
 public:
  marks() {
    direct_.execute("drop table if exists pg_faults_marks; create table pg_faults_marks (id int8 primary key)");
  }
  ~marks() { direct_.execute("drop table pg_faults_marks"); }
  marks(const marks&) = delete;
  marks& operator=(const marks&) = delete;

  /// Whether the mark was committed, once the transaction that wrote it has ended.
  bool has(std::int64_t id) {
    direct_.execute("begin; lock table pg_faults_marks in access exclusive mode; commit");
    return direct_.ask(fmt::format("select count(*)::text from pg_faults_marks where id = {}", id)) == "1";
  }

 private:
  pg_session direct_;
};

pipeline marking(std::int64_t id) {
  pipeline p;
  p.add(begin).add(mark, params::of(id)).add(commit);
  return p;
}

test::fault_proxy proxy_to_database() {
  const test::server_address server = test::database_address();
  return test::fault_proxy{server.host, server.port};
}

pg::options through(const test::fault_proxy& proxy) {
  return pg::options{test::url_with(test::database_url(), proxy.keywords())};
}

/// Ends the backend `pid` as soon as it sleeps inside a statement.
void terminate_sleeper(std::int32_t pid) {
  pg_session killer;
  const std::string asleep =
      fmt::format("select (wait_event = 'PgSleep')::text from pg_stat_activity where pid = {}", pid);
  if (!test::eventually(10s, [&] { return killer.execute(asleep).optional_text(0, 0) == "true"; })) {
    throw std::runtime_error{"the backend does not sleep"};
  }
  killer.execute(fmt::format("select pg_terminate_backend({})", pid));
}

}  // namespace

TEST_CASE("a backend killed while idle is noticed before anything is sent") {
  pg_session session;
  session.query(sleeping, params::of(0.0));
  SECTION("by an operation") {
    test::kill_backend(session->backend_pid());
    CHECK(session->usable());
    const auto e = error_of([&] { session.query(sleeping, params::of(0.0)); });
    CHECK(e.kind() == pg::failure::lost);
    CHECK(e.state() == pg::sqlstate::admin_shutdown);
    CHECK(e.delivered() == pg::delivery::not_sent);
    CHECK_FALSE(e.connection_usable());
    CHECK_FALSE(session->usable());
  }
  SECTION("by the check of the pool") {
    CHECK(session->check_alive());
    test::kill_backend(session->backend_pid());
    CHECK_FALSE(session->check_alive());
    CHECK_FALSE(session->usable());
  }
  SECTION("by a script") {
    test::kill_backend(session->backend_pid());
    const auto e = error_of([&] { session.execute("select 1"); });
    CHECK(e.state() == pg::sqlstate::admin_shutdown);
    CHECK(e.delivered() == pg::delivery::not_sent);
  }
  SECTION("inside a transaction") {
    session.query(begin);
    test::kill_backend(session->backend_pid());
    const auto e = error_of([&] { session.query(commit); });
    CHECK(e.state() == pg::sqlstate::admin_shutdown);
    CHECK(e.delivered() == pg::delivery::not_sent);
  }
}

TEST_CASE("a connection cut while idle is noticed before anything is sent") {
  auto proxy = proxy_to_database();
  pg_session session{through(proxy)};
  proxy.cut_all();
  const auto e = error_of([&] { session.query(begin); });
  CHECK(e.kind() == pg::failure::lost);
  CHECK(e.state() == pg::sqlstate::connection_failure);
  CHECK(e.delivered() == pg::delivery::not_sent);
}

TEST_CASE("a backend killed in the middle of a statement keeps its first word") {
  pg_session session;
  std::jthread killer{[pid = session->backend_pid()] { terminate_sleeper(pid); }};
  pipeline p;
  p.add(begin).add(sleeping, params::of(30.0)).add(commit);
  const auto e = error_of([&] { session.run(std::move(p)); });
  CHECK(e.kind() == pg::failure::lost);
  CHECK(e.state() == pg::sqlstate::admin_shutdown);
  CHECK(e.delivered() == pg::delivery::unknown);
  CHECK(e.statement_index() == 1);
  CHECK_FALSE(session->usable());
}

TEST_CASE("a session that idles in a transaction for too long is ended by the server and nothing is sent") {
  pg::options how = test::database_options();
  how.idle_in_transaction_timeout = 50ms;
  pg_session session{how};
  session.query(begin);
  test::run_task(session.context(), net::sleep_for(400ms));
  const auto e = error_of([&] { session.query(commit); });
  CHECK(e.state() == pg::sqlstate::idle_in_transaction_timeout);
  CHECK(e.delivered() == pg::delivery::not_sent);
}

TEST_CASE("a connection lost before the commit reached the server did not commit") {
  marks table;
  auto proxy = proxy_to_database();
  pg_session session{through(proxy)};
  proxy.inject(fault_point::before_statement, "commit", fault_action::cut);
  const auto e = error_of([&] { session.run(marking(1)); });
  CHECK(proxy.wait_injected(1));
  CHECK(e.kind() == pg::failure::lost);
  CHECK(e.state() == pg::sqlstate::connection_failure);
  CHECK(e.delivered() == pg::delivery::unknown);
  CHECK_FALSE(table.has(1));
}

TEST_CASE("a connection lost behind the commit did commit and the error says unknown") {
  marks table;
  auto proxy = proxy_to_database();
  pg_session session{through(proxy)};
  session.run(marking(1));
  proxy.inject(fault_point::before_completion, "COMMIT", fault_action::cut);
  const auto e = error_of([&] { session.run(marking(2)); });
  CHECK(proxy.wait_injected(1));
  CHECK(e.kind() == pg::failure::lost);
  CHECK(e.delivered() == pg::delivery::unknown);
  CHECK(e.statement_index() == 2);
  CHECK(table.has(1));
  CHECK(table.has(2));
}

TEST_CASE("a connection cut right behind the sent commit ends one way or the other") {
  marks table;
  auto proxy = proxy_to_database();
  for (std::int64_t id = 1; id <= 10; ++id) {
    pg_session session{through(proxy)};
    proxy.inject(fault_point::after_statement, "commit", fault_action::cut);
    const auto e = error_of([&] { session.run(marking(id)); });
    CHECK(e.kind() == pg::failure::lost);
    CHECK(e.delivered() == pg::delivery::unknown);
    table.has(id);
  }
  CHECK(proxy.injected() == 10);
}

TEST_CASE("a server that stalls around the commit runs into the deadline, and the answer held back is never taken") {
  marks table;
  auto proxy = proxy_to_database();
  const auto where =
      GENERATE(fault_point::before_statement, fault_point::after_statement, fault_point::before_completion);
  pg_session session{through(proxy)};
  proxy.inject(where, "commit", fault_action::stall);
  const auto e = error_of([&] { session.run(marking(1), 300ms); });
  CHECK(proxy.wait_injected(1));
  CHECK(e.kind() == pg::failure::timed_out);
  CHECK(e.delivered() == pg::delivery::unknown);
  CHECK_FALSE(session->usable());
  proxy.heal();
  table.has(1);
}

TEST_CASE("a stalled connection that goes on in time loses nothing") {
  marks table;
  auto proxy = proxy_to_database();
  pg_session session{through(proxy)};
  proxy.inject(fault_point::before_statement, "insert into pg_faults", fault_action::stall);
  std::jthread healer{[&proxy] {
    if (proxy.wait_injected(1)) {
      proxy.resume();
    }
  }};
  const auto r = session.run(marking(7));
  CHECK(r[2].command_tag() == "COMMIT");
  CHECK(table.has(7));
}

TEST_CASE("the proxy strikes at the n-th match only") {
  auto proxy = proxy_to_database();
  pg_session session{through(proxy)};
  constexpr pg::statement ping{"ping_statement", "select 1::int8"};
  proxy.inject(fault_point::before_statement, "PING_statement", fault_action::cut, 3);
  CHECK(session.query(ping).int64(0, 0) == 1);
  CHECK(session.query(ping).int64(0, 0) == 1);
  CHECK(proxy.injected() == 0);
  CHECK(error_of([&] { session.query(ping); }).kind() == pg::failure::lost);
  CHECK(proxy.injected() == 1);
  CHECK(proxy.connections() == 0);
}

TEST_CASE("the proxy cuts and stalls at a byte, refuses, and heals") {
  const test::server_address server = test::database_address();
  test::fault_proxy proxy{server.host, server.port, test::fault_proxy::protocol::raw};
  pg::options how = through(proxy);
  how.url = test::url_with(how.url, {{"sslmode", "disable"}, {"gssencmode", "disable"}});
  CHECK(pg_session{how}.ask("select 'plain'") == "plain");
  proxy.inject_after_client_bytes(20, fault_action::cut);
  CHECK(error_of([&] { pg_session{how}; }).kind() == pg::failure::connect);
  proxy.inject_after_server_bytes(10, fault_action::stall);
  how.connect_timeout = 300ms;
  CHECK(error_of([&] { pg_session{how}; }).kind() == pg::failure::timed_out);
  CHECK(proxy.injected() == 2);
  how.connect_timeout = 2s;
  proxy.refuse();
  CHECK(error_of([&] { pg_session{how}; }).kind() == pg::failure::connect);
  proxy.heal();
  CHECK(pg_session{how}.ask("select 'healed'") == "healed");
}

}  // namespace pg_faults_test
