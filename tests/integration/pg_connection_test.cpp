#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/pg_environment.hpp"
#include "support/run_task.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using pg::params;
using pg::pipeline;
using pg::transaction_state;
using test::error_of;
using test::pg_session;

namespace {

constexpr pg::statement begin{"begin", "begin"};
constexpr pg::statement commit{"commit", "commit"};
constexpr pg::statement rollback{"rollback", "rollback"};
constexpr pg::statement add_entry{"add_entry", "insert into entries (id) values ($1)"};
constexpr pg::statement count_entries{"count_entries", "select count(*) from entries"};
constexpr pg::statement divide{"divide", "select 10 / $1::int8"};
constexpr pg::statement sleeping{"sleeping", "select pg_sleep($1)"};

/// A session with an empty table of its own.
class table_session : public pg_session {
 public:
  explicit table_session(pg::options how = test::database_options()) : pg_session{std::move(how)} {
    execute("create temporary table entries (id int8 constraint entries_unique primary key)");
  }
  std::int64_t entries() { return query(count_entries).int64(0, 0); }
};

pipeline adding(std::initializer_list<std::int64_t> ids) {
  pipeline p;
  p.add(begin);
  for (const std::int64_t id : ids) {
    p.add(add_entry, params::of(id));
  }
  p.add(commit);
  return p;
}

}  // namespace

TEST_CASE("a pipeline gives one result per statement in order") {
  table_session session;
  const auto r = session.run(adding({1, 2, 3}));
  REQUIRE(r.size() == 5);
  CHECK(r[0].command_tag() == "BEGIN");
  CHECK(r[1].command_tag() == "INSERT 0 1");
  CHECK(r[1].affected() == 1);
  CHECK(r[4].command_tag() == "COMMIT");
  CHECK(r[4].affected() == 0);
  CHECK(session->state() == transaction_state::idle);
  CHECK(session.entries() == 3);
}

TEST_CASE("an empty pipeline is a round trip without results") {
  pg_session session;
  CHECK(session.run(pipeline{}).empty());
  CHECK(session.ask("select 'on'") == "on");
}

TEST_CASE("a statement is prepared once, however often and wherever it is used") {
  table_session session;
  session.run(adding({1, 2}));
  session.run(adding({3}));
  session.run(adding({4}));
  CHECK(session.ask("select count(*)::text from pg_prepared_statements where name = 'add_entry'") == "1");
  CHECK(session.ask("select generic_plans + custom_plans = 4 from pg_prepared_statements where name = 'add_entry'") ==
        "t");
}

TEST_CASE("a statement that fails in a pipeline leaves a failed transaction until ROLLBACK") {
  table_session session;
  session.run(adding({1}));
  const auto e = error_of([&] { session.run(adding({2, 1, 3})); });
  CHECK(e.kind() == pg::failure::statement);
  CHECK(e.state() == pg::sqlstate::unique_violation);
  CHECK(e.constraint() == "entries_unique");
  CHECK(e.delivered() == pg::delivery::answered);
  CHECK(e.statement_index() == 2);
  CHECK(e.connection_usable());
  CHECK(session->usable());
  CHECK(session->state() == transaction_state::in_failed_transaction);

  const auto poisoned = error_of([&] { session.entries(); });
  CHECK(poisoned.state() == pg::sqlstate::in_failed_transaction);
  CHECK(session->state() == transaction_state::in_failed_transaction);

  session.query(rollback);
  CHECK(session->state() == transaction_state::idle);
  CHECK(session.entries() == 1);
  session.run(adding({2, 3}));
  CHECK(session.entries() == 3);
}

TEST_CASE("statements first used behind a failure are prepared when they are next used") {
  table_session session;
  constexpr pg::statement late{"late", "select $1::int8 + 1"};
  constexpr pg::statement early{"early", "select $1::int8 - 1"};
  pipeline p;
  p.add(early, params::of(std::int64_t{1}))
      .add(divide, params::of(std::int64_t{0}))
      .add(late, params::of(std::int64_t{1}));
  const auto e = error_of([&] { session.run(std::move(p)); });
  CHECK(pg::to_string(e.state()) == "22012");
  CHECK(e.statement_index() == 1);
  CHECK(session.query(late, params::of(std::int64_t{1})).int64(0, 0) == 2);
  CHECK(session.query(early, params::of(std::int64_t{1})).int64(0, 0) == 0);
  CHECK(session.query(divide, params::of(std::int64_t{5})).int64(0, 0) == 2);
}

TEST_CASE("a statement that cannot be prepared fails at its own index and can be prepared later") {
  pg_session session;
  constexpr pg::statement missing{"missing", "select * from later_table"};
  pipeline p;
  p.add(begin).add(missing).add(commit);
  const auto e = error_of([&] { session.run(std::move(p)); });
  CHECK(e.state() == pg::sqlstate::undefined_table);
  CHECK(e.statement_index() == 1);
  session.execute("rollback; create temporary table later_table (n int8)");
  CHECK(session.query(missing).size() == 0);
}

TEST_CASE("COMMIT of a failed transaction answers with the tag ROLLBACK and no error") {
  table_session session;
  error_of([&] { session.run(adding({1, 1})); });
  REQUIRE(session->state() == transaction_state::in_failed_transaction);
  const auto r = session.query(commit);
  CHECK(r.command_tag() == "ROLLBACK");
  CHECK(session->state() == transaction_state::idle);
  CHECK(session.entries() == 0);
}

TEST_CASE("a pipeline without BEGIN is one transaction") {
  table_session session;
  pipeline p;
  p.add(add_entry, params::of(std::int64_t{1})).add(add_entry, params::of(std::int64_t{1}));
  CHECK(error_of([&] { session.run(std::move(p)); }).statement_index() == 1);
  CHECK(session->state() == transaction_state::idle);
  CHECK(session.entries() == 0);
}

TEST_CASE("a transaction may span several pipelines") {
  table_session session;
  session.query(begin);
  CHECK(session->state() == transaction_state::in_transaction);
  session.query(add_entry, params::of(std::int64_t{1}));
  CHECK(session->state() == transaction_state::in_transaction);
  session.query(commit);
  CHECK(session->state() == transaction_state::idle);
  CHECK(session.entries() == 1);
}

TEST_CASE("a script runs several statements and gives the last one's result") {
  pg_session session;
  const auto r = session.execute("create temporary table t (n int8); insert into t values (1), (2); select * from t");
  CHECK(r.size() == 2);
  CHECK(r.text(1, 0) == "2");
  CHECK(session.execute("").command_tag().empty());
  CHECK(session.execute("-- nothing\n").size() == 0);
}

TEST_CASE("a script that fails is undone as a whole and the session goes on") {
  table_session session;
  const auto e = error_of([&] { session.execute("insert into entries values (1); insert into entries values (1)"); });
  CHECK(e.state() == pg::sqlstate::unique_violation);
  CHECK(e.statement_index() == 1);
  CHECK(e.connection_usable());
  CHECK(session->state() == transaction_state::idle);
  CHECK(session.entries() == 0);
}

TEST_CASE("COPY is refused and costs the connection, nothing hangs") {
  pg_session session;
  const auto e = error_of([&] { session.execute("copy (select 1) to stdout"); });
  CHECK(e.kind() == pg::failure::protocol);
  CHECK_FALSE(session->usable());
  pg_session other;
  other.execute("create temporary table t (n int8)");
  CHECK(error_of([&] { other.execute("copy t from stdin"); }).kind() == pg::failure::protocol);
  constexpr pg::statement copy_out{"copy_out", "copy (select 1) to stdout"};
  pg_session third;
  CHECK(error_of([&] { third.query(copy_out); }).kind() == pg::failure::protocol);
}

TEST_CASE("the server's statement timeout is an answer and the connection lives") {
  pg::options how = test::database_options();
  how.statement_timeout = 100ms;
  pg_session session{how};
  const auto e = error_of([&] { session.query(sleeping, params::of(30.0)); });
  CHECK(e.kind() == pg::failure::statement);
  CHECK(e.state() == pg::sqlstate::query_canceled);
  CHECK(pg::is_timeout(e.state()));
  CHECK(e.delivered() == pg::delivery::answered);
  CHECK(e.connection_usable());
  CHECK(session.ask("select 'alive'") == "alive");
}

TEST_CASE("the server's lock timeout is an answer and the connection lives") {
  const std::int64_t key = 730'000'000'017;
  pg_session holder;
  holder.execute(fmt::format("select pg_advisory_lock({})", key));
  pg::options how = test::database_options();
  how.lock_timeout = 100ms;
  pg_session session{how};
  constexpr pg::statement lock{"lock", "select pg_advisory_lock($1)"};
  const auto e = error_of([&] { session.query(lock, params::of(key)); });
  CHECK(e.state() == pg::sqlstate::lock_not_available);
  CHECK(e.connection_usable());
  CHECK(session.ask("select 'alive'") == "alive");
}

TEST_CASE("a client deadline in the middle of a statement drops the connection") {
  pg_session session;
  const auto start = std::chrono::steady_clock::now();
  const auto e = error_of([&] { session.query(sleeping, params::of(1.5), 100ms); });
  CHECK(e.kind() == pg::failure::timed_out);
  CHECK(e.delivered() == pg::delivery::unknown);
  CHECK_FALSE(e.connection_usable());
  CHECK_FALSE(session->usable());
  CHECK(session->state() == transaction_state::unknown);
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(took >= 100ms);
  CHECK(took < 1500ms);
  const auto again = error_of([&] { session.ask("select 1"); });
  CHECK(again.kind() == pg::failure::closed);
  CHECK(again.delivered() == pg::delivery::not_sent);
}

TEST_CASE("a deadline that has passed already sends nothing and keeps the connection") {
  table_session session;
  const auto e = error_of([&] { session.run(adding({1}), -1ms); });
  CHECK(e.kind() == pg::failure::timed_out);
  CHECK(e.delivered() == pg::delivery::not_sent);
  CHECK(e.connection_usable());
  CHECK(session.entries() == 0);
}

TEST_CASE("each operation has its own deadline, earlier or later than the one before") {
  pg::options how = test::database_options();
  how.statement_timeout = 20s;
  pg_session session{how};
  for (const auto limit : {6000ms, 1000ms, 5000ms, 1200ms}) {
    session.query(sleeping, params::of(0.01), limit);
  }
  // Longer than the deadlines of operations that are over.
  session.query(sleeping, params::of(1.3), 10s);
  CHECK(error_of([&] { session.query(sleeping, params::of(1.5), 100ms); }).kind() == pg::failure::timed_out);
}

TEST_CASE("notices, parameter changes and notifications do not disturb the results") {
  pg_session session;
  session.execute("listen coffer_noise");
  session.execute("do $$ begin for i in 1..50 loop raise notice 'noise %', i; end loop; end $$");
  session.execute("set application_name = 'changed'; notify coffer_noise, 'x'");
  pg_session other;
  other.execute("notify coffer_noise, 'from another'");
  CHECK(session->check_alive());
  constexpr pg::statement noisy{"noisy", "select set_config('application_name', 'again', false)"};
  CHECK(session.query(noisy).text(0, 0) == "again");
}

TEST_CASE("a cached plan that a migration has outdated costs the connection, not correctness") {
  table_session session;
  constexpr pg::statement all{"all_entries", "select * from entries"};
  session.query(all);
  session.execute("alter table entries add column note text");
  const auto e = error_of([&] { session.query(all); });
  CHECK(e.state() == pg::sqlstate::feature_not_supported);
  CHECK(e.delivered() == pg::delivery::answered);
  CHECK_FALSE(e.connection_usable());
  CHECK_FALSE(session->usable());
}

TEST_CASE("a closed connection says so") {
  pg_session session;
  session->close();
  CHECK_FALSE(session->usable());
  CHECK_FALSE(session->check_alive());
  session->close();
  CHECK(error_of([&] { session.ask("select 1"); }).kind() == pg::failure::closed);
}
