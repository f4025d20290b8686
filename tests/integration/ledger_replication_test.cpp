// Commits that wait for a standby that is not there: nothing is called done that may be on one server alone.
#include <thread>

#include "ledger_session.hpp"
#include "support/postgres_server.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using test::books;
using test::deposit;
using test::outcomes;
using test::session;

namespace {

/// A ledger whose commits wait for a standby until heal(). The tests' own sessions do not wait.
struct lonely_primary {
  std::string waiting_url() const { return test::url_with(s.db.url(), {{"options", "-c synchronous_commit=on"}}); }

  /// Runs until a backend waits for the standby; gives its process id.
  std::string waiting_backend() {
    std::string pid;
    test::run_until(
        s.context,
        [&] {
          const auto found = s.db.query(
              "select pid from pg_stat_activity where wait_event = 'SyncRep'"
              " and datname = current_database()");
          pid = found.size() == 0 ? "" : found.text();
          return !pid.empty();
        },
        10s);
    return pid;
  }
  void cancel_wait() {
    s.db.query(
        "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'"
        " and datname = current_database()");
  }
  void end_backend(const std::string& pid) { s.db.query("select pg_terminate_backend($1::int, 10000)", {pid}); }
  void heal() { server.set("synchronous_standby_names", ""); }
  std::string outcome(std::size_t index) const { return session::outcome(s.verdicts[index]); }

  domain::command keyed(std::int64_t amount) const {
    domain::command c = deposit(user, amount);
    c.idempotency_key = "k";
    return c;
  }

  test::postgres_server server{{{"synchronous_standby_names", "absent"}, {"synchronous_commit", "local"}}};
  session s{test::database::on(server.url())};
  books& b = s.open(1, 256, 1024, waiting_url());
  user_id user = s.user(100);
};

}  // namespace

TEST_CASE("a commit that is found after its wait for a standby was cut short is not called done") {
  lonely_primary p;
  const std::size_t first = p.s.send(p.b, p.keyed(5), net::deadline_in(4s));
  p.end_backend(p.waiting_backend());
  p.s.run();
  CHECK(p.s.db.integer("select count(*) from transactions where idempotency_key = 'k'") == 1);
  CHECK(p.outcome(first) == "outcome_unknown");
  p.heal();
  const std::size_t again = p.s.send(p.b, p.keyed(5));
  p.s.run();
  CHECK(p.outcome(again) == "replayed");
  CHECK(test::audit(p.s.db) == "");
}

TEST_CASE("a commit that is found is called done when the standbys have it") {
  lonely_primary p;
  const std::size_t first = p.s.send(p.b, p.keyed(5));
  p.end_backend(p.waiting_backend());
  p.waiting_backend();  // the look-up, which has found the row
  p.heal();
  p.s.run();
  CHECK(p.outcome(first) == "completed");
  CHECK(test::audit(p.s.db) == "");
}

TEST_CASE("a commit whose wait for a standby was cancelled is looked up, and done when the standbys have it") {
  lonely_primary p;
  const std::size_t first = p.s.send(p.b, p.keyed(5));
  p.waiting_backend();
  p.cancel_wait();
  test::run_until(
      p.s.context, [&] { return p.s.db.integer("select count(*) from transactions where version = 2") == 1; }, 10s);
  CHECK(p.outcome(first) == "none");
  p.waiting_backend();  // the look-up, which has found the row
  p.heal();
  p.s.run();
  CHECK(p.outcome(first) == "completed");
  CHECK(p.s.db.integer("select count(*) from transactions where idempotency_key = 'k'") == 1);
  CHECK(test::audit(p.s.db) == "");
}

TEST_CASE("as long as waits for a standby are cancelled nothing is called done") {
  lonely_primary p;
  const std::size_t first = p.s.send(p.b, p.keyed(5), net::deadline_in(2s));
  test::run_until(
      p.s.context,
      [&] {
        p.cancel_wait();
        return p.s.answered == 1;
      },
      20s);
  CHECK(p.outcome(first) == "outcome_unknown");
  p.heal();
  const std::size_t again = p.s.send(p.b, p.keyed(5));
  p.s.run();
  CHECK(p.outcome(again) == "replayed");
  CHECK(test::audit(p.s.db) == "");
}

TEST_CASE("whatever commits, a cancelled wait for a standby leaves its outcome unknown") {
  lonely_primary p;
  constexpr pg::statement begin{"begin", "begin"};
  constexpr pg::statement add{"add", "insert into job_runs (name, run_on) values ($1, now())"};
  constexpr pg::statement commit{"commit", "commit"};
  const auto cut_short = [&p](auto work) {
    std::jthread cancel{[&p](const std::stop_token& stop) {
      test::sql_session own{p.s.db.url()};
      while (!stop.stop_requested()) {
        own.query("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
        std::this_thread::sleep_for(5ms);
      }
    }};
    const auto e = test::error_of(work);
    CHECK(e.delivered() == pg::delivery::unknown);
    CHECK(e.state() == pg::sqlstate::statement_completion_unknown);
    CHECK(e.connection_usable());
  };
  test::pg_session session{pg::options{p.waiting_url()}};
  cut_short([&] { session.query(add, pg::params::of(std::string{"alone"})); });
  cut_short([&] {
    pg::pipeline whole;
    whole.add(begin).add(add, pg::params::of(std::string{"in a transaction"})).add(commit);
    session.run(std::move(whole));
  });
  cut_short([&] { session.execute("insert into job_runs (name, run_on) values ('simple', now())"); });
  CHECK(p.s.db.integer("select count(*) from job_runs") == 3);
}

TEST_CASE("a row that may be on one server alone is not replayed before the standbys have it") {
  lonely_primary p;
  const std::size_t first = p.s.send(p.b, p.keyed(5), net::deadline_in(1s));
  const std::string pid = p.waiting_backend();
  p.s.run();
  CHECK(p.outcome(first) == "outcome_unknown");
  p.end_backend(pid);
  REQUIRE(p.s.db.integer("select count(*) from transactions where idempotency_key = 'k'") == 1);
  const std::size_t second = p.s.send(p.b, p.keyed(5), net::deadline_in(1s));
  p.s.run();
  CHECK(p.outcome(second) == "outcome_unknown");
  p.heal();
  const std::size_t third = p.s.send(p.b, p.keyed(5));
  p.s.run();
  CHECK(p.outcome(third) == "replayed");
  CHECK(p.s.db.integer("select balance from users where id = $1", {std::to_string(p.user.value)}) == 105);
  CHECK(test::audit(p.s.db) == "");
}
