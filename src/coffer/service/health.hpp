// Whether this process can serve, for load balancers and operators.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "coffer/service/database_watch.hpp"

namespace coffer::service {

/// How the cache is.
struct cache_report {
  std::string state;    ///< "up", "down" or "off"
  std::string message;  ///< why it cannot be used although it answers; else empty
};

/// A snapshot of what the process depends on.
struct health_report {
  bool ready = false;
  bool draining = false;
  bool database = false;                ///< answers
  std::string_view schema = "unknown";  ///< "ready": the one this binary needs; else schema_finding::state
  std::string message;                  ///< why not ready, with the next step; empty when ready
  cache_report cache;                   ///< never a reason not to be ready
};

/// One instance per thread, over the one watch of the process.
class health {
 public:
  health(database_watch& database, std::function<cache_report()> cache_state, const std::atomic<bool>& draining)
      : database_{database}, cache_state_{std::move(cache_state)}, draining_{draining} {}

  /// Never throws for a failing dependency: that is what the report says.
  net::task<health_report> check(net::deadline until) {
    database_state found = database_.last();
    if (!draining_) {
      found = co_await database_.look(until);
    }
    health_report report;
    report.database = found.answers;
    report.schema = found.schema;
    report.draining = draining_.load();
    report.ready = found.can_serve() && !report.draining;
    report.message = report.draining ? "the server is shutting down" : std::move(found.message);
    report.cache = cache_state_();
    co_return report;
  }

 private:
  database_watch& database_;
  std::function<cache_report()> cache_state_;
  const std::atomic<bool>& draining_;
};

}  // namespace coffer::service
