// `coffer doctor`: looks at everything that a server needs and says what to do about what is missing. Changes nothing.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "coffer/app/commands.hpp"
#include "coffer/app/descriptors.hpp"
#include "coffer/app/healthcheck.hpp"
#include "coffer/app/one_shot.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/app/token_keys.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/json/writer.hpp"
#include "coffer/net/tls.hpp"
#include "coffer/pg/pooling.hpp"
#include "coffer/redis/client.hpp"
#include "coffer/store/keys_store.hpp"

namespace coffer::app {

namespace {

using namespace std::chrono_literals;

enum class health_grade : std::uint8_t {
  good,
  doubtful,  ///< a server would run, worse or less safely than it could
  bad,       ///< a server would not be ready, or could lose what it has promised
};

/// "ok", "warning" or "failed".
std::string_view to_string(health_grade grade) noexcept;

/// One thing that was looked at.
struct finding {
  std::string_view subject;  ///< "database", "schema", "durability", ...
  health_grade grade = health_grade::good;
  std::string detail;  ///< what was found
  std::string remedy;  ///< what to do about it; empty when good
};

/// What was looked at, in the order of looking. What depends on something bad is left out.
struct diagnosis {
  std::vector<finding> findings;

  /// Whether a server with these settings would serve and keep its promises.
  [[nodiscard]] bool can_serve() const noexcept;
  /// A line per finding, remedies below, the verdict last.
  [[nodiscard]] std::string to_text() const;
  /// One object: can_serve and the findings.
  [[nodiscard]] std::string to_json() const;
};

std::string_view to_string(health_grade grade) noexcept {
  switch (grade) {
    case health_grade::good:
      return "ok";
    case health_grade::doubtful:
      return "warning";
    case health_grade::bad:
      break;
  }
  return "failed";
}

bool diagnosis::can_serve() const noexcept {
  return std::ranges::none_of(findings, [](const finding& f) { return f.grade == health_grade::bad; });
}

std::string diagnosis::to_text() const {
  std::string out;
  for (const finding& f : findings) {
    out += fmt::format("{:<8}{:<13}{}\n", to_string(f.grade), f.subject, f.detail);
    if (!f.remedy.empty()) {
      out += fmt::format("{:21}-> {}\n", "", f.remedy);
    }
  }
  const auto doubts = std::ranges::count(findings, health_grade::doubtful, &finding::grade);
  if (!can_serve()) {
    out += "\nA server with these settings would not be ready.\n";
  } else if (doubts > 0) {
    out += fmt::format("\nA server with these settings would serve; {} warning{}.\n", doubts, doubts == 1 ? "" : "s");
  } else {
    out += "\nA server with these settings would serve.\n";
  }
  return out;
}

std::string diagnosis::to_json() const {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("can_serve");
  out.value(can_serve());
  out.key("findings");
  out.begin_array();
  for (const finding& f : findings) {
    out.begin_object();
    out.key("subject");
    out.value(f.subject);
    out.key("grade");
    out.value(to_string(f.grade));
    out.key("detail");
    out.value(f.detail);
    out.key("remedy");
    if (f.remedy.empty()) {
      out.null();
    } else {
      out.value(f.remedy);
    }
    out.end_object();
  }
  out.end_array();
  out.end_object();
  return text + "\n";
}

// What a server does with its database. Each look tells what it found; none throws for what is wrong with the patient.

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
    " ('refunds', 'insert,select,update'), ('sales_counters', 'delete,insert,select,update'),"
    " ('refunded_sales', 'delete,insert,select,update'),"
    " ('api_keys', 'insert,select,update'),"
    " ('request_keys', 'insert,select,update'), ('job_runs', 'delete,insert,select'),"
    " ('event_log', 'delete,insert,select'), ('webhooks', 'delete,insert,select,update'),"
    " ('webhook_places', 'delete,insert,select,update'), ('webhook_deliveries', 'delete,insert,select,update'),"
    " ('webhook_relay', 'select,update'), ('schema_migrations', 'select')),"
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

/// Database, its durability, the connections it has to offer, its clock beside ours, the role's privileges, the schema,
/// and with --auth required whether anybody has a key. Without a connection there is the first of them only.
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

// What stands around the server.

constexpr const char* cache_remedy =
    "check --redis-url (REDIS_URL); without a cache everything is right, but inventories cost a query each";

/// What Redis says to a write that changes nothing anybody reads.
net::task<redis::outcome> try_write(redis::client& cache, const std::string& prefix) {
  std::vector<std::string> words{"SET", prefix + "doctor", "1", "PX", "1000"};
  co_return co_await cache.command(std::move(words));
}

finding judged(const redis::outcome& said, const std::string& refusal) {
  if (!refusal.empty()) {
    return {.subject = "cache",
            .grade = health_grade::doubtful,
            .detail = fmt::format("Redis answers and cannot be used: {}", refusal),
            .remedy = "correct --redis-url (REDIS_URL); until then inventories cost a query each"};
  }
  if (!said) {
    return {.subject = "cache",
            .grade = health_grade::doubtful,
            .detail = fmt::format("Redis does not answer: {}", redis::to_string(said.error())),
            .remedy = cache_remedy};
  }
  if (said->is_ok()) {
    return {.subject = "cache", .detail = "Redis answers and takes writes", .remedy = {}};
  }
  return {.subject = "cache",
          .grade = health_grade::doubtful,
          .detail = fmt::format("Redis refuses writes: {}", said->text),
          .remedy = said->error_code() == "OOM" ? "raise maxmemory, or set maxmemory-policy to allkeys-lru"
                                                : "name a primary that may be written in --redis-url (REDIS_URL)"};
}

bool is_everywhere(const std::string& listen) {
  const auto address = parse_listen_address(listen);
  return address && (address->host == "0.0.0.0" || address->host == "::");
}

/// Listens on it with `probe`, as a server would. `flag` names the setting.
finding try_address(const char* subject, const std::string& listen, const char* flag, const char* scheme,
                    asio::ip::tcp::acceptor& probe) {
  const auto address = parse_listen_address(listen);
  finding f{.subject = subject, .detail = fmt::format("{} is free", listen), .remedy = {}};
  asio::error_code failed;
  const asio::ip::tcp::endpoint where{asio::ip::make_address(address->host, failed), address->port};
  if (!failed) {
    probe.open(where.protocol(), failed);
  }
  if (!failed) {
    probe.set_option(asio::socket_base::reuse_address{true}, failed);
    probe.bind(where, failed);
  }
  if (!failed) {
    probe.listen(1, failed);
  }
  if (!failed) {
    return f;
  }
  f.grade = health_grade::bad;
  if (failed == asio::error::address_in_use) {
    const health answer = check_health(fmt::format("{}://{}/livez", scheme, address->text()));
    f.detail = fmt::format("{} is in use{}", listen, answer.ok ? ": a server answers there" : " by another program");
    f.remedy = fmt::format("stop what listens there (`ss -ltnp`), or choose another {}", flag);
    return f;
  }
  f.detail = fmt::format("{} cannot be listened on: {}", listen, failed.message());
  f.remedy = fmt::format("choose an address of this machine with {}", flag);
  return f;
}

/// Whether Redis answers, and takes writes. Nothing when there is no cache to look at.
net::task<std::vector<finding>> look_at_cache(const settings& s) {
  std::vector<finding> all;
  if (s.redis_url.empty()) {
    all.push_back({.subject = "cache", .detail = "off: inventories come from the database", .remedy = {}});
    co_return all;
  }
  std::optional<std::string> failure;
  try {
    redis::options how{s.redis_url};
    how.connect_timeout = s.redis_connect_timeout;
    // A command that is given while the connection is being made waits for it.
    how.command_timeout = s.redis_connect_timeout + s.redis_command_timeout;
    redis::client cache{co_await asio::this_coro::executor, std::move(how)};
    const redis::outcome said = co_await try_write(cache, s.redis_prefix);
    all.push_back(judged(said, cache.refusal()));
    co_await cache.close();
  } catch (const std::invalid_argument& e) {
    failure = e.what();
  }
  if (failure) {
    all.push_back({.subject = "cache",
                   .grade = health_grade::bad,
                   .detail = *std::move(failure),
                   .remedy = "correct --redis-url (REDIS_URL): a server would not start"});
  }
  co_return all;
}

/// The file with the keys of players' tokens. Nothing when there is none.
std::vector<finding> look_at_tokens(const settings& s) {
  std::vector<finding> all;
  if (s.jwt_keys.empty()) {
    return all;
  }
  try {
    const auth::jwt_keys keys = read_token_keys(s);
    std::string detail = fmt::format("{} keys in {}", keys.size(), s.jwt_keys);
    if (!keys.skipped().empty()) {
      detail += fmt::format(", without {}", fmt::join(keys.skipped(), "; "));
    }
    all.push_back({.subject = "tokens", .detail = std::move(detail), .remedy = {}});
  } catch (const std::runtime_error& e) {
    all.push_back({.subject = "tokens",
                   .grade = health_grade::bad,
                   .detail = e.what(),
                   .remedy = "correct the file: a server would not start"});
  }
  return all;
}

/// The certificate and when it expires, or whether what clients send can be read on the way.
finding look_at_certificate(const settings& s) {
  constexpr std::chrono::days early{14};
  if (s.tls_certificate.empty()) {
    const auto address = parse_listen_address(s.listen);
    const bool exposed = address && !address->is_loopback() && s.trusted_proxies.empty();
    return {.subject = "tls",
            .grade = exposed ? health_grade::doubtful : health_grade::good,
            .detail = exposed ? fmt::format("off: what clients send to {} can be read on the way", s.listen) : "off",
            .remedy = exposed ? "set --tls-certificate and --tls-key, or name the proxy that speaks TLS in "
                                "--trusted-proxies"
                              : ""};
  }
  finding f{.subject = "tls", .detail = {}, .remedy = {}};
  try {
    const timestamp expires = net::tls_context::for_server(s.tls_certificate, s.tls_key)->expires_at();
    const bool over = expires <= now();
    f.detail = fmt::format("{} {} {}", s.tls_certificate, over ? "expired at" : "is good until", to_rfc3339(expires));
    if (expires <= now() + early) {
      f.grade = health_grade::doubtful;
      f.remedy = "renew it, then send SIGHUP to the server";
    }
  } catch (const std::runtime_error& e) {
    f.grade = health_grade::bad;
    f.detail = e.what();
    f.remedy = "correct --tls-certificate and --tls-key: a server would not start";
  }
  return f;
}

/// Whether the process may have as many descriptors as the settings can need.
finding look_at_descriptors(const settings& s) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const std::size_t wanted = s.http.connections + reserved_descriptors(s, static_cast<std::size_t>(files.rlim_cur));
  finding f{.subject = "descriptors",
            .detail = fmt::format("{} allowed, {} wanted at most", files.rlim_cur, wanted),
            .remedy = {}};
  if (files.rlim_cur < wanted) {
    f.grade = health_grade::doubtful;
    f.remedy =
        fmt::format("`ulimit -n {}`, LimitNOFILE={} in a systemd unit, or fewer --max-connections", wanted, wanted);
  }
  return f;
}

/// Whether the API's address and that of /metrics can be listened on, both at once.
std::vector<finding> look_at_addresses(const settings& s) {
  asio::io_context context{1};
  // The first is held while the second is tried: the two may be one.
  asio::ip::tcp::acceptor api{context};
  asio::ip::tcp::acceptor admin{context};
  std::vector<finding> all;
  const char* scheme = s.tls_certificate.empty() ? "http" : "https";
  all.push_back(try_address("address", s.listen, "--listen (COFFER_LISTEN)", scheme, api));
  if (s.admin_listen.empty()) {
    all.push_back({.subject = "admin", .detail = "off: there is no /metrics", .remedy = {}});
    return all;
  }
  all.push_back(try_address("admin", s.admin_listen, "--admin-listen (COFFER_ADMIN_LISTEN)", "http", admin));
  if (all.back().grade == health_grade::good && is_everywhere(s.admin_listen)) {
    all.back().grade = health_grade::doubtful;
    all.back().detail += ", and shows /metrics to whoever reaches this machine";
    all.back().remedy = "give --admin-listen (COFFER_ADMIN_LISTEN) the address that Prometheus comes to";
  }
  return all;
}

/// Whom a server without credentials would let in. Nothing when it asks for credentials.
std::vector<finding> look_at_access(const settings& s) {
  std::vector<finding> all;
  if (s.auth == auth_mode::required) {
    return all;  // who has a key is in the database
  }
  const auto address = parse_listen_address(s.listen);
  finding f{.subject = "access", .detail = "everybody who reaches it: --auth is off", .remedy = {}};
  if (address && !address->is_loopback()) {
    f.grade = health_grade::doubtful;
    f.detail = fmt::format("everybody who reaches {}{}: --auth is off", s.listen,
                           is_everywhere(s.listen) ? " (every address of this machine)" : "");
    f.remedy = "--auth required (COFFER_AUTH=required) and `coffer key create`, unless the network itself is closed";
  }
  all.push_back(std::move(f));
  return all;
}

finding source_found(const settings_source& source) {
  finding f{.subject = "settings", .detail = "from flags and the environment", .remedy = {}};
  if (!source.file.empty()) {
    f.detail = fmt::format("from flags, the environment and {}", source.file);
  }
  if (!source.trouble.empty()) {
    f.grade = health_grade::doubtful;
    f.detail = source.trouble;
    f.remedy = "run it as root, who may read what the service gets, or name another file with --env-file";
  }
  return f;
}

/// Tells where the settings come from, and looks at what they name. Each look has the deadline that the server itself
/// would have, or 2 s.
diagnosis examine(const settings& s, const settings_source& source) {
  diagnosis all;
  const auto take = [&all](std::vector<finding> some) {
    all.findings.insert(all.findings.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  };
  all.findings.push_back(source_found(source));
  take(run_blocking(look_at_database(s)));
  take(run_blocking(look_at_cache(s)));
  take(look_at_access(s));
  take(look_at_tokens(s));
  all.findings.push_back(look_at_certificate(s));
  all.findings.push_back(look_at_descriptors(s));
  take(look_at_addresses(s));
  return all;
}

}  // namespace

int run(const doctor_command& asked) {
  const diagnosis found = examine(asked.how, asked.source);
  fmt::print("{}", asked.json ? found.to_json() : found.to_text());
  return found.can_serve() ? exit_ok : exit_failed;
}

}  // namespace coffer::app
