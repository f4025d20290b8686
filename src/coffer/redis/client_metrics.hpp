// The series of the Redis clients, all threads together.
#pragma once

#include <string>

#include "coffer/base/metrics.hpp"
#include "coffer/redis/client.hpp"

namespace coffer::redis {

struct client_metrics {
  static const client_metrics& get();

  /// A command that got no reply.
  void count_failure(failure why) const;

  metrics::counter commands;
  metrics::counter unavailable;
  metrics::counter lost;
  metrics::counter timeout;
  metrics::counter breaker_open;
  metrics::counter overloaded;
  metrics::counter protocol;
  metrics::counter connects;
  metrics::counter losses;
  metrics::gauge connected;
  metrics::gauge breakers_open;
  metrics::gauge pending;
};

namespace detail {

inline metrics::counter failures(failure why) {
  return metrics::make_counter("coffer_redis_failures_total", "Redis commands that got no reply, by reason.",
                               {{"reason", std::string{to_string(why)}}});
}

}  // namespace detail

inline const client_metrics& client_metrics::get() {
  static const client_metrics all{
      metrics::make_counter("coffer_redis_commands_total", "Commands given to the Redis clients."),
      detail::failures(failure::unavailable),
      detail::failures(failure::lost),
      detail::failures(failure::timeout),
      detail::failures(failure::breaker_open),
      detail::failures(failure::overloaded),
      detail::failures(failure::protocol),
      metrics::make_counter("coffer_redis_connects_total", "Connections to Redis that were logged in."),
      metrics::make_counter("coffer_redis_connections_lost_total",
                            "Connections to Redis that ended, and attempts to connect that failed."),
      metrics::make_gauge("coffer_redis_connected", "Redis clients that are connected; one per thread is normal."),
      metrics::make_gauge("coffer_redis_breakers_open", "Redis clients that have stopped asking for a while."),
      metrics::make_gauge("coffer_redis_pending", "Redis commands without a reply yet."),
  };
  return all;
}

inline void client_metrics::count_failure(failure why) const {
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
