#include "support/database.hpp"

#include <libpq-fe.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "coffer/app/migrate.hpp"
#include "coffer/app/migrations.hpp"
#include "support/process.hpp"

namespace coffer::test {

namespace {

PGconn* raw(void* connection) { return static_cast<PGconn*>(connection); }

sql_result copy_of(PGresult* answer) {
  sql_result out;
  for (int r = 0; r < PQntuples(answer); ++r) {
    sql_result::row row;
    for (int c = 0; c < PQnfields(answer); ++c) {
      if (PQgetisnull(answer, r, c) != 0) {
        row.emplace_back(std::nullopt);
      } else {
        row.emplace_back(std::string{PQgetvalue(answer, r, c), static_cast<std::size_t>(PQgetlength(answer, r, c))});
      }
    }
    out.rows.push_back(std::move(row));
  }
  out.affected = std::strtoll(PQcmdTuples(answer), nullptr, 10);
  return out;
}

/// The template's name for the embedded migrations: FNV-1a of their names and texts.
std::string template_name() {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const app::embedded_migration& file : app::embedded_migrations()) {
    for (const std::string_view text : {file.file_name, file.text}) {
      for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
      }
    }
  }
  return fmt::format("coffer_template_{:016x}", hash);
}

std::string unique_name() {
  static std::atomic<unsigned> next{0};
  const auto ticks = std::chrono::system_clock::now().time_since_epoch().count();
  return fmt::format("coffer_test_{}_{:x}_{}", ::getpid(), static_cast<std::uint64_t>(ticks) & 0xffffffffffU, ++next);
}

/// Holds the advisory lock under which templates and their copies are made: a template cannot be copied while anybody
/// is connected to it.
class template_lock {
 public:
  explicit template_lock(sql_session& session) : session_{session} {
    session_.query("select pg_advisory_lock(hashtext('coffer test template'))");
  }
  ~template_lock() {
    try {
      session_.query("select pg_advisory_unlock(hashtext('coffer test template'))");
    } catch (const sql_failure&) {
      // The session is gone, and the lock with it.
    }
  }
  template_lock(const template_lock&) = delete;
  template_lock& operator=(const template_lock&) = delete;

 private:
  sql_session& session_;
};

void make_template(sql_session& server, const std::string& server_url, const std::string& name) {
  if (server.query("select from pg_database where datname = $1", {name}).size() == 1) {
    return;
  }
  const std::string unfinished = unique_name();
  server.query("create database " + unfinished);
  try {
    app::migrate_run run;
    run.database_url = with_database(server_url, unfinished);
    run.files = app::built_in_migrations();
    app::migrate_up(run);
  } catch (...) {
    server.query("drop database " + unfinished + " with (force)");
    throw;
  }
  server.query(fmt::format("alter database {} rename to {}", unfinished, name));
}

/// What psql would send of a script: without its own commands, and with `role` for its variable of that name.
std::string script_for(const std::string& role, const std::string& file) {
  std::ifstream in{file};
  std::string script;
  for (std::string line; std::getline(in, line);) {
    constexpr std::string_view variable = ":\"role\"";
    if (const auto at = line.find(variable); at != std::string::npos) {
      line.replace(at, variable.size(), role);
    }
    if (!line.starts_with('\\')) {
      script += line + '\n';
    }
  }
  if (script.empty()) {
    throw std::runtime_error{file + " cannot be read"};
  }
  return script;
}

}  // namespace

const std::string& sql_result::text(std::size_t r, std::size_t column) const {
  if (r >= rows.size() || column >= rows[r].size() || !rows[r][column]) {
    throw std::runtime_error(fmt::format("no value in row {}, column {} of {} rows", r, column, rows.size()));
  }
  return *rows[r][column];
}

std::int64_t sql_result::integer(std::size_t r, std::size_t column) const { return std::stoll(text(r, column)); }

void sql_session::closer::operator()(void* connection) const noexcept { PQfinish(raw(connection)); }

sql_session::sql_session(const std::string& url) : connection_{PQconnectdb(url.c_str())} {
  if (PQstatus(raw(connection_.get())) != CONNECTION_OK) {
    throw sql_failure{"08001", PQerrorMessage(raw(connection_.get()))};
  }
  PQsetNoticeProcessor(raw(connection_.get()), [](void*, const char*) {}, nullptr);
}

sql_result sql_session::query(const std::string& sql, const std::vector<std::optional<std::string>>& params) {
  PGconn* const connection = raw(connection_.get());
  std::unique_ptr<PGresult, decltype(&PQclear)> answer{nullptr, &PQclear};
  if (params.empty()) {
    answer.reset(PQexec(connection, sql.c_str()));
  } else {
    std::vector<const char*> values;
    for (const auto& value : params) {
      values.push_back(value ? value->c_str() : nullptr);
    }
    answer.reset(PQexecParams(connection, sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                              nullptr, 0));
  }
  const auto status = PQresultStatus(answer.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    const char* state = answer ? PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE) : nullptr;
    throw sql_failure{state != nullptr ? state : "08006", PQerrorMessage(connection)};
  }
  return copy_of(answer.get());
}

std::int64_t sql_session::backend_pid() const { return PQbackendPID(raw(connection_.get())); }

std::string with_database(const std::string& url, std::string_view name) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) {
    // In a key=value list the last mention counts.
    return fmt::format("{} dbname={}", url, name);
  }
  const auto query = url.find('?', scheme);
  const std::string_view whole{url};
  const std::string_view rest = query == std::string::npos ? std::string_view{} : whole.substr(query);
  const std::string_view front = whole.substr(0, query);
  const auto path = front.find('/', scheme + 3);
  return fmt::format("{}/{}{}", front.substr(0, path), name, rest);
}

database::database(no_schema) : server_url_{required_env("DATABASE_URL")}, name_{unique_name()} {
  sql_session server{server_url_};
  server.query("create database " + name_);
  url_ = with_database(server_url_, name_);
}

database::database() : database{required_env("DATABASE_URL")} {}

database::database(const std::string& server_url) : server_url_{server_url}, name_{unique_name()} {
  sql_session server{server_url};
  const template_lock lock{server};
  const std::string from = template_name();
  make_template(server, server_url, from);
  server.query(fmt::format("create database {} template {}", name_, from));
  url_ = with_database(server_url, name_);
}

database database::empty() { return database{no_schema{}}; }

database::database(database&& other) noexcept
    : server_url_{std::move(other.server_url_)},
      name_{std::exchange(other.name_, {})},
      url_{std::move(other.url_)},
      session_{std::move(other.session_)} {}

database::~database() {
  if (name_.empty()) {
    return;
  }
  session_.reset();
  try {
    sql_session{server_url_}.query("drop database if exists " + name_ + " with (force)");
  } catch (const std::exception& failure) {
    fmt::print(stderr, "the test database {} could not be dropped: {}\n", name_, failure.what());
  }
}

sql_session& database::sql() {
  if (!session_) {
    session_ = std::make_unique<sql_session>(url_);
  }
  return *session_;
}

std::int64_t database::terminate_sessions() {
  return integer(
      "select count(pg_terminate_backend(pid)) from pg_stat_activity"
      " where datname = current_database() and pid <> pg_backend_pid()");
}

void make_journal_slow(database& db, double seconds) {
  db.query(
      fmt::format("create function slow() returns trigger language plpgsql as"
                  " $$ begin perform pg_sleep({}); return null; end $$",
                  seconds));
  db.query("create trigger slow before insert on transactions for each statement execute function slow()");
}

serving_role::serving_role(database& of) : of_{of}, name_{unique_name()} {
  of_.query("create role " + name_);
  of_.query(script_for(name_, COFFER_SOURCE_ROOT "/deploy/postgresql/serve_role.sql"));
  const bool is_url = of_.url().find("://") != std::string::npos;
  const std::string_view separator = of_.url().find('?') == std::string::npos ? "?" : "&";
  url_ = is_url ? fmt::format("{}{}options=-c%20role%3D{}", of_.url(), separator, name_)
                : fmt::format("{} options='-c role={}'", of_.url(), name_);
}

serving_role::~serving_role() {
  try {
    of_.query("drop owned by " + name_);
    of_.query("drop role " + name_);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "the test role {} could not be dropped: {}\n", name_, failure.what());
  }
}

}  // namespace coffer::test
