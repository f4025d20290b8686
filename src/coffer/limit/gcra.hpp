// The generic cell rate algorithm (ITU-T I.371, annex A): a whole token bucket in one point of time. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "coffer/limit/policy.hpp"

namespace coffer::limit {

using clock = std::chrono::steady_clock;

/// What became of one request against one policy.
struct verdict {
  bool allowed = true;
  std::int64_t remaining = 0;            ///< requests that would be allowed at once now
  std::chrono::nanoseconds full_in{0};   ///< until the whole quota is there again
  std::chrono::nanoseconds retry_in{0};  ///< until a request would be allowed; 0 when this one was
};

/// The moment at which everything that was used will have been earned again; in the past: nothing is owed.
struct arrival {
  clock::time_point at{};

  /// How many requests are owed at `now`, one that is earned in part included.
  [[nodiscard]] std::int64_t owed(const policy& p, clock::time_point now) const {
    const std::chrono::nanoseconds rest = std::max(at - now, clock::duration::zero());
    return (rest + p.interval() - std::chrono::nanoseconds{1}) / p.interval();
  }

  /// How many requests `p` allows at `now`.
  [[nodiscard]] std::int64_t available(const policy& p, clock::time_point now) const {
    return std::max<std::int64_t>(p.quota - owed(p, now), 0);
  }

  /// Takes one request if there is one.
  verdict take(const policy& p, clock::time_point now) {
    const std::int64_t had = available(p, now);
    if (had > 0) {
      at = std::max(at, now) + p.interval();
    }
    verdict v;
    v.allowed = had > 0;
    v.remaining = std::max<std::int64_t>(had - 1, 0);
    v.full_in = std::max(at - now, clock::duration::zero());
    v.retry_in = v.allowed ? std::chrono::nanoseconds{0} : v.full_in - (p.quota - 1) * p.interval();
    return v;
  }
};

}  // namespace coffer::limit
