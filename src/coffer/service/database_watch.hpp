// Whether the process can serve from its database: one look at a time, on a connection of its own.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "coffer/net/wait_queue.hpp"
#include "coffer/pg/pool.hpp"

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
  net::task<> close(net::deadline until);

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

}  // namespace coffer::service
