#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "coffer/app/doctor_looks.hpp"
#include "coffer/app/migrate_state.hpp"
#include "coffer/app/shard.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/pg/pooling.hpp"
#include "coffer/store/keys_store.hpp"

namespace coffer::app {

namespace {

using namespace std::chrono_literals;

/// The oldest release that the tests run on.
constexpr std::int64_t oldest_tested = 150000;

/// Beyond this, times in the logs of the two machines cannot be matched any more.
constexpr std::chrono::microseconds tolerable_skew = 1s;

/// Beyond this a batch, which needs two round trips, waits more than it works.
constexpr std::chrono::microseconds slow_round_trip = 5ms;

constexpr pg::statement read_state{
    "doctor_state",
    "select pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',"
    " current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on',"
    " current_setting('synchronous_commit'), current_setting('max_connections')::bigint"
    " - current_setting('superuser_reserved_connections')::bigint,"
    " (select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid())"};

/// What deploy/postgresql/serve_role.sql gives: rights that are missing, and whether there are any beyond those by
/// which the journal could be changed. A table that is not there is the schema's trouble.
constexpr pg::statement read_privileges{
    "doctor_privileges",
    "with tables (name, needs) as (values ('transactions', 'insert,select'), ('usernames', 'insert,select'),"
    " ('emails', 'insert,select'), ('users', 'insert,select,update'), ('inventory', 'insert,select,update'),"
    " ('products', 'insert,select,update'), ('product_stock', 'insert,select,update'),"
    " ('refunds', 'insert,select,update'), ('sales_counters', 'insert,select,update'),"
    " ('refunded_sales', 'insert,select,update'),"
    " ('api_keys', 'insert,select,update'),"
    " ('request_keys', 'insert,select,update'), ('job_runs', 'delete,insert,select'), ('schema_migrations', 'select')),"
    " missing (what) as (select need || ' on ' || name from tables, lateral regexp_split_to_table(needs, ',') need"
    " where has_table_privilege(to_regclass(name), need) is false"
    " union all select 'usage on ' || name from unnest(array['user_ids', 'product_ids', 'api_key_ids']) name"
    " where has_sequence_privilege(to_regclass(name), 'usage') is false)"
    " select (select coalesce(string_agg(what, ', ' order by what), '') from missing),"
    " coalesce(has_table_privilege(to_regclass('transactions'), 'update,delete,truncate'), false), current_user::text"};

constexpr pg::statement read_limits{
    "doctor_limits",
    "select max(setting::bigint) filter (where name = 'statement_timeout'),"
    " max(setting::bigint) filter (where name = 'lock_timeout'),"
    " max(setting::bigint) filter (where name = 'idle_in_transaction_session_timeout') from pg_settings"
    " where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')"};

constexpr pg::statement read_clock{"doctor_clock", "select clock_timestamp()"};

finding version_found(const pg::connection& db, std::chrono::microseconds round_trip) {
  const std::int64_t version = db.server_version();
  finding f{.subject = "database",
            .detail = fmt::format("PostgreSQL {}.{} at {}, round trip {:.1f} ms", version / 10000, version % 10000,
                                  db.peer(), static_cast<double>(round_trip.count()) / 1000),
            .remedy = {}};
  if (version < oldest_tested) {
    f.grade = health_grade::doubtful;
    f.remedy = fmt::format("coffer is tested with PostgreSQL {} and newer: upgrade", oldest_tested / 10000);
  } else if (round_trip > slow_round_trip) {
    f.grade = health_grade::doubtful;
    f.remedy = "a batch needs two round trips: bring the server nearer to its database";
  }
  return f;
}

finding role_found(const pg::rows& state) {
  finding f{.subject = "role", .detail = "a primary that takes writes", .remedy = {}};
  if (state.boolean(0, 0) || state.boolean(0, 1)) {
    f.grade = health_grade::bad;
    f.detail = state.boolean(0, 0) ? "the server is a standby" : "transactions are read-only";
    f.remedy = "name the primary in DATABASE_URL, for example with several hosts and target_session_attrs=read-write";
  }
  return f;
}

finding encoding_found(const pg::connection& db) {
  finding f{.subject = "encoding", .detail = "UTF8", .remedy = {}};
  if (std::string problem = encoding_problem(db); !problem.empty()) {
    f.grade = health_grade::bad;
    f.detail = db.server_encoding();
    f.remedy = std::move(problem);
  }
  return f;
}

finding pooler_found(const settings& s, pg::pooling found) {
  finding f{.subject = "pooler", .detail = "none: sessions are PostgreSQL's own", .remedy = {}};
  if (found == pg::pooling::session) {
    f.detail = "one in session mode";
  } else if (found == pg::pooling::transaction) {
    f.detail = "one in transaction mode";
    if (s.prepared) {
      f.grade = health_grade::bad;
      f.remedy = shared_sessions;
    }
  }
  return f;
}

/// What the session really has, whatever stands in between.
finding timeouts_found(const settings& s, const pg::rows& limits) {
  const std::int64_t wanted[] = {s.database_statement_timeout.count(), s.database_lock_timeout.count(),
                                 pg::options{}.idle_in_transaction_timeout.count()};
  finding f{.subject = "timeouts",
            .detail = fmt::format("statement {} ms, lock {} ms, idle in transaction {} ms", limits.int64(0, 0),
                                  limits.int64(0, 1), limits.int64(0, 2)),
            .remedy = {}};
  for (int i = 0; i < 3; ++i) {
    if (limits.int64(0, i) != wanted[i]) {
      f.grade = limits.int64(0, i) == 0 ? health_grade::bad : health_grade::doubtful;
      f.remedy = fmt::format(
          "they should be {}, {} and {} ms: look at options= in DATABASE_URL, at PGOPTIONS, and at what a pooler does"
          " with `set`",
          wanted[0], wanted[1], wanted[2]);
    }
  }
  return f;
}

finding privileges_found(const pg::rows& privileges) {
  const std::string_view missing = privileges.text(0, 0);
  const std::string_view who = privileges.text(0, 2);
  finding f{.subject = "privileges", .detail = fmt::format("{} has what it needs and no more", who), .remedy = {}};
  if (!missing.empty()) {
    f.grade = health_grade::bad;
    f.detail = fmt::format("{} lacks {}", who, missing);
    f.remedy = fmt::format("as the owner of the tables: psql -v role={} -f deploy/postgresql/serve_role.sql", who);
  } else if (privileges.boolean(0, 1)) {
    f.grade = health_grade::doubtful;
    f.detail = fmt::format("{} may change the journal, which a server never does", who);
    f.remedy = "serve as a role that deploy/postgresql/serve_role.sql was run for; migrate as the owner";
  }
  return f;
}

finding durability_found(const pg::rows& state) {
  finding f{.subject = "durability", .detail = "fsync and full_page_writes are on", .remedy = {}};
  if (!state.boolean(0, 2)) {
    f.grade = health_grade::bad;
    f.detail = "fsync or full_page_writes is off: a crash can destroy the books";
    f.remedy = "set fsync = on and full_page_writes = on in postgresql.conf and reload";
  }
  return f;
}

finding commits_found(const pg::rows& state) {
  const std::string_view commits = state.text(0, 3);
  finding f{.subject = "commits", .detail = fmt::format("synchronous_commit = {}", commits), .remedy = {}};
  // What "local" promises holds on the database's own machine: whether that is enough is the operator's to say.
  if (commits == "off" || commits == "local") {
    f.grade = commits == "off" ? health_grade::bad : health_grade::doubtful;
    f.detail += fmt::format(": an answered purchase can be lost in a {}", commits == "off" ? "crash" : "failover");
    f.remedy = "set synchronous_commit = on for this role, or in postgresql.conf";
  }
  return f;
}

finding connections_found(const settings& s, const pg::rows& state) {
  const auto lanes = static_cast<std::int64_t>(s.lanes);
  const auto reads = static_cast<std::int64_t>(s.read_pool_size) * s.threads;
  const std::int64_t wanted = lanes + reads + 1;
  const std::int64_t left = state.int64(0, 4) - state.int64(0, 5);
  finding f{.subject = "connections",
            .detail = fmt::format("{} wanted ({} lanes, {} for reads, one to watch), {} of {} free", wanted, lanes,
                                  reads, left, state.int64(0, 4)),
            .remedy = {}};
  if (wanted > state.int64(0, 4)) {
    f.grade = health_grade::bad;
    f.remedy = "raise max_connections of PostgreSQL, or lower --lanes, --threads or --read-pool-size";
  } else if (wanted > left) {
    f.grade = health_grade::doubtful;
    f.remedy = "unless those in use belong to the server that this one replaces, raise max_connections of PostgreSQL";
  }
  return f;
}

net::task<std::chrono::microseconds> round_trip_of(pg::connection& db, net::deadline until) {
  const auto begin = std::chrono::steady_clock::now();
  co_await db.query(read_clock, pg::params{}, until);
  co_return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
}

net::task<finding> clock_found(pg::connection& db, std::chrono::microseconds round_trip, net::deadline until) {
  const timestamp before = now();
  const pg::rows told = co_await db.query(read_clock, pg::params{}, until);
  const auto ahead = told.time(0, 0) - (before + round_trip / 2);
  const double seconds = std::chrono::duration<double>(ahead).count();
  finding f{.subject = "clock", .detail = fmt::format("the database's is {:+.3f} s from ours", seconds), .remedy = {}};
  if (std::chrono::abs(ahead) > tolerable_skew) {
    f.grade = health_grade::doubtful;
    f.remedy = "journal rows carry the database's time, logs ours: keep both machines on NTP";
  }
  co_return f;
}

/// Who gets in where credentials are asked for.
net::task<finding> access_found(pg::connection& db, net::deadline until) {
  const std::vector<auth::key_record> keys = co_await store::load_keys(db, until);
  finding f{.subject = "access", .detail = fmt::format("{} server keys in force", keys.size()), .remedy = {}};
  if (keys.empty()) {
    f.grade = health_grade::doubtful;
    f.remedy = "nobody can ask for anything: `coffer key create --name NAME --scopes \"...\"` makes a key";
  }
  co_return f;
}

}  // namespace

net::task<std::vector<finding>> look_at_database(const settings& s) {
  std::vector<finding> all;
  std::optional<std::string> failure;
  try {
    pg::options how = database_options(s);
    how.application_name = "coffer doctor";
    const net::deadline until = net::deadline_in(s.database_connect_timeout + s.database_statement_timeout);
    const net::executor ex = co_await asio::this_coro::executor;
    pg::options trial = how;
    const pg::pooling pooling = co_await pg::find_pooling(ex, std::move(trial), until);
    // What is looked at leaves nothing behind in sessions that others are lent.
    how.prepared = how.prepared && pooling != pg::pooling::transaction;
    const auto db = co_await pg::connection::open(ex, std::move(how), until);
    // The best of three: the first one also prepares the statement, and any may meet a busy moment.
    auto round_trip = co_await round_trip_of(*db, until);
    for (int again = 0; again < 2; ++again) {
      const auto another = co_await round_trip_of(*db, until);
      round_trip = std::min(round_trip, another);
    }
    all.push_back(version_found(*db, round_trip));
    all.push_back(encoding_found(*db));
    all.push_back(pooler_found(s, pooling));
    all.push_back(timeouts_found(s, co_await db->query(read_limits, pg::params{}, until)));
    const pg::rows state = co_await db->query(read_state, pg::params{}, until);
    all.push_back(role_found(state));
    all.push_back(durability_found(state));
    all.push_back(commits_found(state));
    all.push_back(connections_found(s, state));
    all.push_back(co_await clock_found(*db, round_trip, until));
    all.push_back(privileges_found(co_await db->query(read_privileges, pg::params{}, until)));
    if (all.back().grade == health_grade::bad) {
      co_return all;
    }
    schema_report schema = co_await check_schema(*db, until);
    if (schema.state == schema_state::ready) {
      all.push_back({.subject = "schema", .detail = "the one this program was built for", .remedy = {}});
      if (s.auth == auth_mode::required) {
        all.push_back(co_await access_found(*db, until));
      }
    } else {
      all.push_back({.subject = "schema",
                     .grade = health_grade::bad,
                     .detail = fmt::format("{}", to_string(schema.state)),
                     .remedy = std::move(schema.message)});
    }
  } catch (const pg::error& e) {
    failure = e.what();
  } catch (const std::invalid_argument& e) {
    failure = e.what();
  }
  if (failure) {
    all.push_back({.subject = "database",
                   .grade = health_grade::bad,
                   .detail = *std::move(failure),
                   .remedy = "check --database-url (DATABASE_URL), that PostgreSQL runs, and that it lets us in"});
  }
  co_return all;
}

}  // namespace coffer::app
