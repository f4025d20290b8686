// The series of the Redis clients, all threads together.
#pragma once

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

}  // namespace coffer::redis
