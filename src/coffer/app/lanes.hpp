// Running a ledger's lanes.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <limits>
#include <random>

#include "coffer/base/log.hpp"
#include "coffer/ledger/lane_of.hpp"
#include "coffer/ledger/ledger.hpp"

namespace coffer::app {

/// Runs a lane to its end. A lane that dies would leave callers without an answer for ever: that is a bug, and the
/// process ends so that a supervisor starts it anew.
inline net::task<> run_lane(ledger::lane& writer) {
  try {
    co_await writer.run();
  } catch (const std::exception& e) {
    log::error("lane died", {{"message", e.what()}});
    log::flush();
    std::abort();
  }
}

/// A key for the sales counters of a lane, of `lanes` in all: an integer that hashes into the lane, so that they live
/// where its users live, and drawn anew by every process, so that no two wait for each other's counters, but by a rare
/// chance. 0 is that of counters that were folded.
inline std::int16_t draw_lane_key(std::size_t lane, std::size_t lanes) {
  std::random_device random;
  std::uniform_int_distribution<std::int16_t> keys{1, std::numeric_limits<std::int16_t>::max()};
  for (;;) {
    const std::int16_t key = keys(random);
    if (ledger::ledger::lane_index(ledger::lane_of(user_id{key}), lanes) == lane) {
      return key;
    }
  }
}

}  // namespace coffer::app
