// How long to wait before the next attempt. Pure: chance is passed in.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace coffer {

/// `first`, doubled for each of `attempts`, at most `last`; of that between half and all, so that those who failed
/// together do not come again together.
template <typename Random>
std::chrono::milliseconds backoff(std::chrono::milliseconds first, std::chrono::milliseconds last, int attempts,
                                  Random& random) {
  using rep = std::chrono::milliseconds::rep;
  const std::chrono::milliseconds whole = std::min(first * (std::int64_t{1} << std::min(attempts, 20)), last);
  return std::chrono::milliseconds{std::uniform_int_distribution<rep>{whole.count() / 2, whole.count()}(random)};
}

}  // namespace coffer
