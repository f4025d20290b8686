// How long a regular end may take. deploy/coffer.service and compose.yaml give the default settings that long and some.
#pragma once

#include <chrono>

#include "coffer/app/settings.hpp"

namespace coffer::app {

/// The parts of a regular end, one behind the other.
struct stop_budget {
  explicit stop_budget(const settings& s)
      : requests{s.drain_timeout},
        lanes{std::chrono::duration_cast<std::chrono::milliseconds>(s.http.request_time) + std::chrono::seconds{2}} {}

  std::chrono::milliseconds requests;    ///< connections and what they asked for
  std::chrono::milliseconds work{3000};  ///< background work gets a moment, whatever the drain took
  std::chrono::milliseconds lanes;       ///< to their last request's deadline, another attempt to settle it, a rollback
  std::chrono::milliseconds rest{3000};  ///< the cache, the pools, the admin listener, the log

  [[nodiscard]] std::chrono::milliseconds whole() const { return requests + work + lanes + rest; }
};

}  // namespace coffer::app
