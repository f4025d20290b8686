// Waiting for what another thread, process or server does.
#pragma once

#include <chrono>
#include <thread>

namespace coffer::test {

/// Whether `holds()` within `limit`: asks at once, then every `pause`, and once more at the end.
///
///     CHECK(test::eventually(10s, [&] { return server.metric("coffer_auth_keys") == 1; }));
template <typename Predicate>
[[nodiscard]] bool eventually(std::chrono::milliseconds limit, Predicate holds,
                              std::chrono::milliseconds pause = std::chrono::milliseconds{5}) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= end) {
      return holds();
    }
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace coffer::test
