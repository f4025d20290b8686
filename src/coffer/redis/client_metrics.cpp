#include "coffer/redis/client_metrics.hpp"

#include <string>

namespace coffer::redis {

namespace {

metrics::counter failures(failure why) {
  return metrics::make_counter("coffer_redis_failures_total", "Redis commands that got no reply, by reason.",
                               {{"reason", std::string{to_string(why)}}});
}

}  // namespace

const client_metrics& client_metrics::get() {
  static const client_metrics all{
      metrics::make_counter("coffer_redis_commands_total", "Commands given to the Redis clients."),
      failures(failure::unavailable),
      failures(failure::lost),
      failures(failure::timeout),
      failures(failure::breaker_open),
      failures(failure::overloaded),
      failures(failure::protocol),
      metrics::make_counter("coffer_redis_connects_total", "Connections to Redis that were logged in."),
      metrics::make_counter("coffer_redis_connections_lost_total",
                            "Connections to Redis that ended, and attempts to connect that failed."),
      metrics::make_gauge("coffer_redis_connected", "Redis clients that are connected; one per thread is normal."),
      metrics::make_gauge("coffer_redis_breakers_open", "Redis clients that have stopped asking for a while."),
      metrics::make_gauge("coffer_redis_pending", "Redis commands without a reply yet."),
  };
  return all;
}

void client_metrics::count_failure(failure why) const {
  switch (why) {
    case failure::unavailable:
      return unavailable.add();
    case failure::lost:
      return lost.add();
    case failure::timeout:
      return timeout.add();
    case failure::breaker_open:
      return breaker_open.add();
    case failure::overloaded:
      return overloaded.add();
    case failure::protocol:
      return protocol.add();
  }
}

}  // namespace coffer::redis
