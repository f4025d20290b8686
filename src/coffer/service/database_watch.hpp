// Whether the process can serve from its database: one look at a time, on a connection of its own.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "coffer/net/wait_queue.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/service/database.hpp"

namespace coffer::service {

/// What a look at the schema found.
struct schema_finding {
  std::string_view state = "unknown";  ///< "ready", "missing", "older", "newer", "unfit"
  std::string message;                 ///< what is wrong and what to do; empty when ready
};

/// Looks whether the schema fits. Throws pg::error.
using schema_check = std::function<net::task<schema_finding>(pg::connection&, net::deadline)>;

/// What a look at the database found.
struct database_state {
  bool answers = false;
  std::string_view schema = "unknown";  ///< schema_finding::state; "unknown" when the database does not answer
  std::string message = "the database has not been looked at yet";  ///< why not, and what to do; empty: it can serve
  std::string detail;                                               ///< what the database said, for the log alone

  [[nodiscard]] bool can_serve() const { return message.empty(); }
};

/// The one watch of a process. Everything but look() and last() belongs to the executor.
class database_watch {
 public:
  /// Told after every look. Must not wait.
  using listener = std::function<void(const database_state&)>;

  database_watch(net::executor ex, pg::options how, schema_check check, listener told);

  /// Looks every second until stop().
  net::task<> run();
  void stop();
  /// Ends the connection.
  net::task<> close(net::deadline until) { co_await db_.close(until); }

  /// The state of at most a second ago. Who asks while a look is under way shares it. Never throws for the database's
  /// sake. From any thread.
  net::task<database_state> look(net::deadline until);

  /// What the last look found. From any thread.
  [[nodiscard]] database_state last() const;

 private:
  [[nodiscard]] bool is_fresh() const;
  net::task<database_state> look_here(net::deadline until);
  net::task<database_state> examine();

  net::executor executor_;
  pg::pool db_;
  schema_check check_;
  listener told_;
  net::steady_timer timer_;
  net::wait_queue waiting_;
  bool looking_ = false;
  bool stopping_ = false;

  mutable std::mutex mutex_;  ///< of the two below
  database_state last_;
  std::chrono::steady_clock::time_point looked_at_{};
};

namespace detail {

/// How long a look counts, and the pause between two.
inline constexpr auto look_lasts = 1s;

/// How long a look may take: a probe's own time-out is often a second or two.
inline constexpr auto look_patience = 1s;

/// Who may wait for a look at once: as many probes as there may be clients.
inline constexpr std::size_t most_waiting = 4096;

inline pg::pool_limits limits_of_watch() {
  pg::pool_limits limits;
  limits.size = 1;
  limits.max_waiting = 1;
  limits.acquire_timeout = look_patience;
  return limits;
}

/// What to do when the database lets nobody in, or does not answer.
inline std::string_view remedy_for(pg::sqlstate state) {
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

inline database_state failed_look(const pg::error& e) {
  database_state found;
  found.message = e.delivered() == pg::delivery::answered
                      ? fmt::format("the database refuses to be read (SQLSTATE {}); {}", pg::to_string(e.state()),
                                    remedy_for(e.state()))
                      : fmt::format("the database does not answer (SQLSTATE {}); {}", pg::to_string(e.state()),
                                    remedy_for(e.state()));
  found.detail = e.message();
  return found;
}

}  // namespace detail

inline database_watch::database_watch(net::executor ex, pg::options how, schema_check check, listener told)
    : executor_{ex},
      db_{ex, "watch", std::move(how), detail::limits_of_watch()},
      check_{std::move(check)},
      told_{std::move(told)},
      timer_{ex},
      waiting_{ex, detail::most_waiting} {}

inline net::task<> database_watch::run() {
  while (!stopping_) {
    co_await look_here(net::deadline_in(detail::look_patience));
    if (!stopping_) {
      timer_.expires_after(detail::look_lasts);
      co_await timer_.async_wait(net::as_tuple);
    }
  }
}

inline void database_watch::stop() {
  stopping_ = true;
  timer_.cancel();
}

inline bool database_watch::is_fresh() const {
  const std::scoped_lock lock{mutex_};
  return looked_at_ != std::chrono::steady_clock::time_point{} &&
         std::chrono::steady_clock::now() - looked_at_ < detail::look_lasts;
}

inline database_state database_watch::last() const {
  const std::scoped_lock lock{mutex_};
  return last_;
}

inline net::task<database_state> database_watch::look(net::deadline until) {
  if (is_fresh()) {
    co_return last();
  }
  co_return co_await asio::co_spawn(executor_, look_here(until), net::use_task);
}

inline net::task<database_state> database_watch::look_here(net::deadline until) {
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

inline net::task<database_state> database_watch::examine() {
  const net::deadline until = net::deadline_in(detail::look_patience);
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
  co_return detail::failed_look(*failure);
}

}  // namespace coffer::service
