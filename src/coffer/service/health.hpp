// Whether this process can serve, for load balancers and operators.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "coffer/service/database.hpp"

namespace coffer::service {

/// A snapshot of what the process depends on.
struct health_report {
  bool ready = false;
  bool draining = false;
  bool database = false;  ///< answers, with the schema this binary needs
  std::string message;    ///< why not ready, with the next step; empty when ready
  std::string cache;      ///< "up", "down" or "off": never a reason not to be ready
};

/// Looks whether the schema fits; gives a message with the remedy, or the empty string.
using schema_check = std::function<net::task<std::string>(pg::connection&, net::deadline)>;

/// One instance per thread. A report is reused for a second, so that probes cost the database next to nothing.
class health {
 public:
  health(pg::pool& db, schema_check check, std::function<std::string()> cache_state, const std::atomic<bool>& draining)
      : db_{db}, check_{std::move(check)}, cache_state_{std::move(cache_state)}, draining_{draining} {}

  /// Never throws for a failing dependency: that is what the report says.
  net::task<health_report> check(net::deadline until);

 private:
  net::task<std::string> look(net::deadline until);

  pg::pool& db_;
  schema_check check_;
  std::function<std::string()> cache_state_;
  const std::atomic<bool>& draining_;
  std::string last_;
  std::chrono::steady_clock::time_point looked_at_{};
};

}  // namespace coffer::service
