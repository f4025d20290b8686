// Running a ledger's lanes.
#pragma once

#include <cstdlib>
#include <exception>

#include "coffer/base/log.hpp"
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

/// The key under which the sales counters of a lane live, of `lanes` in all.
inline std::int16_t lane_key_of(std::size_t lane, std::size_t lanes) {
  std::size_t logical = 0;
  while (ledger::ledger::lane_index(logical, lanes) != lane) {
    ++logical;
  }
  return ledger::lane_keys[logical];
}

}  // namespace coffer::app
