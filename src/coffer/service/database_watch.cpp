#include "coffer/service/database_watch.hpp"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "coffer/service/database.hpp"

namespace coffer::service {

namespace {

using namespace std::chrono_literals;

/// How long a look counts, and the pause between two.
constexpr auto look_lasts = 1s;
/// How long a look may take: a probe's own time-out is often a second or two.
constexpr auto look_patience = 1s;
/// Who may wait for a look at once: as many probes as there may be clients.
constexpr std::size_t most_waiting = 4096;

pg::pool_limits limits_of_watch() {
  pg::pool_limits limits;
  limits.size = 1;
  limits.max_waiting = 1;
  limits.acquire_timeout = look_patience;
  return limits;
}

/// What to do when the database lets nobody in, or does not answer.
std::string_view remedy_for(pg::sqlstate state) {
  switch (state) {
    case pg::sqlstate::invalid_password:
    case pg::sqlstate::invalid_authorization:
      return "correct the user and password in DATABASE_URL, or what pg_hba.conf allows";
    case pg::sqlstate::invalid_catalog_name:
      return "make the database, or correct its name in DATABASE_URL";
    case pg::sqlstate::too_many_connections:
      return "raise max_connections of PostgreSQL, or lower --lanes, --threads or --read-pool-size";
    case pg::sqlstate::insufficient_privilege:
      return "run deploy/postgresql/serve_role.sql for this role, as the owner of the tables";
    case pg::sqlstate::cannot_connect_now:
      return "it starts, stops or recovers: wait, or look into its log";
    case pg::sqlstate::read_only_transaction:
      return "name the primary in DATABASE_URL, for example with several hosts and target_session_attrs=read-write";
    default:
      return "check that it runs and DATABASE_URL points to it";
  }
}

database_state failed_look(const pg::error& e) {
  database_state found;
  found.message = e.delivered() == pg::delivery::answered
                      ? fmt::format("the database refuses to be read (SQLSTATE {}); {}", pg::to_string(e.state()),
                                    remedy_for(e.state()))
                      : fmt::format("the database does not answer (SQLSTATE {}); {}", pg::to_string(e.state()),
                                    remedy_for(e.state()));
  found.detail = e.message();
  return found;
}

}  // namespace

database_watch::database_watch(net::executor ex, pg::options how, schema_check check, listener told)
    : executor_{ex},
      db_{ex, "watch", std::move(how), limits_of_watch()},
      check_{std::move(check)},
      told_{std::move(told)},
      timer_{ex},
      waiting_{ex, most_waiting} {}

net::task<> database_watch::run() {
  while (!stopping_) {
    co_await look_here(net::deadline_in(look_patience));
    if (!stopping_) {
      timer_.expires_after(look_lasts);
      co_await timer_.async_wait(net::as_tuple);
    }
  }
}

void database_watch::stop() {
  stopping_ = true;
  timer_.cancel();
}

net::task<> database_watch::close(net::deadline until) { co_await db_.close(until); }

bool database_watch::is_fresh() const {
  const std::scoped_lock lock{mutex_};
  return looked_at_ != std::chrono::steady_clock::time_point{} &&
         std::chrono::steady_clock::now() - looked_at_ < look_lasts;
}

database_state database_watch::last() const {
  const std::scoped_lock lock{mutex_};
  return last_;
}

net::task<database_state> database_watch::look(net::deadline until) {
  if (is_fresh()) {
    co_return last();
  }
  co_return co_await asio::co_spawn(executor_, look_here(until), net::use_task);
}

net::task<database_state> database_watch::look_here(net::deadline until) {
  if (is_fresh() || stopping_) {
    co_return last();
  }
  if (looking_) {
    co_await waiting_.wait(until);
    co_return last();
  }
  looking_ = true;
  database_state found = co_await examine();
  looking_ = false;
  {
    const std::scoped_lock lock{mutex_};
    last_ = found;
    looked_at_ = std::chrono::steady_clock::now();
  }
  while (waiting_.wake_one()) {
  }
  told_(found);
  co_return found;
}

net::task<database_state> database_watch::examine() {
  const net::deadline until = net::deadline_in(look_patience);
  std::optional<pg::error> failure;
  try {
    const auto work = [this, until](pg::connection& db) { return check_(db, until); };
    schema_finding schema = co_await with_connection(db_, until, true, work);
    database_state found;
    found.answers = true;
    found.schema = schema.state;
    found.message = std::move(schema.message);
    co_return found;
  } catch (const pg::error& e) {
    failure.emplace(e);
  } catch (const std::exception& e) {
    failure.emplace(pg::failure::protocol, e.what());  // what it holds is not what the check can read
  }
  co_return failed_look(*failure);
}

}  // namespace coffer::service
