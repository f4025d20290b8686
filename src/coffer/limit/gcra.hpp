// The generic cell rate algorithm (ITU-T I.371, annex A): a whole token bucket in one point of time. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "coffer/limit/policy.hpp"

namespace coffer::limit {

using clock = std::chrono::steady_clock;

/// What became of some requests, mostly one, against one policy.
struct verdict {
  bool allowed = true;
  std::int64_t remaining = 0;            ///< requests that would be allowed at once now
  std::chrono::nanoseconds full_in{0};   ///< until the whole quota is there again
  std::chrono::nanoseconds retry_in{0};  ///< until as many would be allowed; 0 when they were
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

  /// Until `count` requests, at most the quota, are allowed.
  [[nodiscard]] std::chrono::nanoseconds retry_in(const policy& p, clock::time_point now, std::int64_t count) const {
    return std::max<std::chrono::nanoseconds>(at - now - (p.quota - count) * p.interval(), clock::duration::zero());
  }

  /// Takes `count` requests, at most the quota, if there are so many.
  verdict take(const policy& p, clock::time_point now, std::int64_t count = 1) {
    const std::int64_t had = available(p, now);
    verdict v;
    v.allowed = had >= count;
    if (v.allowed) {
      at = std::max(at, now) + count * p.interval();
    }
    v.remaining = v.allowed ? had - count : had;
    v.full_in = std::max(at - now, clock::duration::zero());
    v.retry_in = v.allowed ? std::chrono::nanoseconds{0} : retry_in(p, now, count);
    return v;
  }

  /// Gives back requests that were taken.
  void give_back(const policy& p, std::int64_t count) { at -= count * p.interval(); }
};

}  // namespace coffer::limit
