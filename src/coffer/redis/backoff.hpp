// How long to wait before the next attempt to connect. Pure: chance is passed in.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace coffer::redis {

/// Doubles from 50 ms to 1 s; each wait is between half and all of that, so that processes do not come in step.
class backoff {
 public:
  template <typename Random>
  std::chrono::milliseconds next(Random& random) {
    const std::chrono::milliseconds::rep ceiling = std::min(first << std::min(attempts_, 10), last);
    ++attempts_;
    return std::chrono::milliseconds{
        std::uniform_int_distribution<std::chrono::milliseconds::rep>{ceiling / 2, ceiling}(random)};
  }

  void reset() { attempts_ = 0; }

  /// Attempts since reset().
  [[nodiscard]] int attempts() const { return attempts_; }

 private:
  static constexpr std::chrono::milliseconds::rep first = 50;
  static constexpr std::chrono::milliseconds::rep last = 1000;

  int attempts_ = 0;
};

}  // namespace coffer::redis
