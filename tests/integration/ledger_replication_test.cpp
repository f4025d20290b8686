// Commits that wait for a standby that is not there: nothing is called done that may be on one server alone.
#include <csignal>
#include <thread>

#include "coffer/service/users.hpp"
#include "ledger_session.hpp"
#include "support/eventually.hpp"
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
  /// `standby`: who is waited for, as synchronous_standby_names says it.
  explicit lonely_primary(const std::string& standby = "absent")
      : server{{{"synchronous_standby_names", standby}, {"synchronous_commit", "local"}}} {}

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
  /// Cancels every wait for the standby until the first command has its answer.
  void cancel_waits_until_answered() {
    const auto answered = [this] {
      cancel_wait();
      return s.answered == 1;
    };
    test::run_until(s.context, answered, 20s);
  }
  void end_backend(const std::string& pid) { s.db.query("select pg_terminate_backend($1::int, 10000)", {pid}); }
  void heal() { server.set("synchronous_standby_names", ""); }
  std::string outcome(std::size_t index) const { return session::outcome(s.verdicts[index]); }

  domain::command keyed(std::int64_t amount) const {
    domain::command c = deposit(user, amount);
    c.idempotency_key = "k";
    return c;
  }

  test::postgres_server server;
  session s{test::database::on(server.url())};
  books& b = s.open(1, 256, 1024, waiting_url());
  user_id user = s.user(100);
};

/// A ledger whose commits wait for a standby that receives nothing until go_on().
struct stopped_standby {
  stopped_standby() {
    const bool follows = test::eventually(10s, [this] {
      const auto found = on_standby.query("select pid from pg_stat_wal_receiver where status = 'streaming'");
      receiver = found.size() == 0 ? 0 : static_cast<pid_t>(found.integer());
      return receiver != 0 && p.s.db.integer("select count(*) from pg_stat_replication where sync_state = 'sync'") == 1;
    });
    REQUIRE(follows);
    ::kill(receiver, SIGSTOP);
  }
  ~stopped_standby() { go_on(); }
  stopped_standby(const stopped_standby&) = delete;
  stopped_standby& operator=(const stopped_standby&) = delete;

  void go_on() const {
    if (receiver != 0) {
      ::kill(receiver, SIGCONT);
    }
  }

  lonely_primary p{"*"};
  test::postgres_server standby = test::postgres_server::standby_of(p.server);
  test::sql_session on_standby{standby.url()};
  pid_t receiver = 0;
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
  p.cancel_waits_until_answered();
  CHECK(p.outcome(first) == "outcome_unknown");
  p.heal();
  const std::size_t again = p.s.send(p.b, p.keyed(5));
  p.s.run();
  CHECK(p.outcome(again) == "replayed");
  CHECK(test::audit(p.s.db) == "");
}

TEST_CASE("a key that was answered outcome_unknown is not taken for decided before the standbys have its row") {
  lonely_primary p;
  const std::size_t first = p.s.send(p.b, p.keyed(5), net::deadline_in(2s));
  p.cancel_waits_until_answered();
  CHECK(p.outcome(first) == "outcome_unknown");
  const auto known = [&p] {
    return test::run_task(p.s.context,
                          p.b.ledger->state_of({.user = p.user, .by_player = false, .key = std::string_view{"k"}}));
  };
  CHECK(known() == ledger::key_state::unresolved);
  // The next batch has locked the user, and so sees the row; what it commits itself waits as well.
  const std::size_t second = p.s.send(p.b, deposit(p.user, 1), net::deadline_in(20s));
  p.waiting_backend();
  CHECK(known() == ledger::key_state::unresolved);
  p.heal();
  p.s.run();
  CHECK(p.outcome(second) == "completed");
  CHECK(known() == ledger::key_state::decided);
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

TEST_CASE("a purchase whose wait for a stopped standby is cancelled is answered when the standby has it") {
  stopped_standby other;
  lonely_primary& p = other.p;
  const std::size_t first = p.s.send(p.b, p.keyed(5), net::deadline_in(20s));
  p.waiting_backend();
  p.cancel_wait();
  // What can be seen does not wait any more.
  test::run_until(
      p.s.context, [&] { return p.s.db.integer("select count(*) from transactions where version = 2") == 1; }, 10s);
  p.waiting_backend();  // the look-up
  CHECK(p.outcome(first) == "none");
  other.go_on();
  p.s.run();
  CHECK(p.outcome(first) == "completed");
  test::sql_session copy{other.standby.url(p.s.db.text("select current_database()"))};
  CHECK(
      test::eventually(10s, [&] { return copy.integer("select count(*) from transactions where version = 2") == 1; }));
  CHECK(test::audit(p.s.db) == "");
}

TEST_CASE("a new user whose wait for a stopped standby is cancelled is unknown, and under a key looked up") {
  stopped_standby other;
  lonely_primary& p = other.p;
  pg::pool pool{p.s.context.get_executor(), "test", pg::options{p.waiting_url()}};
  service::users users{pool};
  using made = service::written<store::user_row>;
  std::optional<made> done;
  std::optional<pg::error> failed;
  const auto create = [&](const std::string& name, std::optional<service::keyed<store::user_row>> under) {
    asio::co_spawn(p.s.context, users.create(name, name + "@example.com", std::move(under), net::deadline_in(20s)),
                   [&](const std::exception_ptr& e, made m) {
                     try {
                       if (e) {
                         std::rethrow_exception(e);
                       }
                       done = std::move(m);
                     } catch (const pg::error& what) {
                       failed = what;
                     }
                   });
  };

  create("alone", std::nullopt);
  p.waiting_backend();
  p.cancel_wait();
  test::run_until(p.s.context, [&] { return done || failed; }, 10s);
  REQUIRE(failed);
  CHECK(failed->delivered() == pg::delivery::unknown);
  CHECK(!done);

  failed.reset();
  service::keyed<store::user_row> under;
  under.key.key = "k";
  under.key.operation = "POST /users";
  under.key.request_id = "r";
  under.answer = [](const result<store::user_row>&) { return store::recorded_answer{201, "", "{}"}; };
  create("keyed", under);
  p.waiting_backend();
  p.cancel_wait();
  // The look-up claims the key once more, finds what was recorded, and waits in its own commit.
  test::run_until(
      p.s.context, [&] { return p.s.db.integer("select count(*) from usernames where username = 'keyed'") == 1; }, 10s);
  p.waiting_backend();
  CHECK(!done);
  CHECK(!failed);
  other.go_on();
  test::run_until(p.s.context, [&] { return done || failed; }, 20s);
  REQUIRE(done);
  CHECK(done->record->status == 201);
  CHECK(!done->replayed);
  CHECK(p.s.db.integer("select count(*) from users where username = 'keyed'") == 1);
  test::run_task(p.s.context, pool.close(net::deadline_in(5s)));
}
