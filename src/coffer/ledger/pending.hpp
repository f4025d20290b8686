// A command on its way through a lane.
#pragma once

#include <chrono>

#include "coffer/domain/command.hpp"
#include "coffer/net/oneshot.hpp"

namespace coffer::ledger {

/// A command with its caller's deadline and the slot for its answer. Lives in the caller's coroutine frame, which
/// waits until the answer is set: a lane answers every command it was given, exactly once.
struct pending {
  pending(domain::command c, net::deadline d, net::executor home)
      : command{std::move(c)}, deadline{d}, answer{std::move(home)} {}

  /// Whether it is a command with the key of this place.
  [[nodiscard]] bool is(const domain::key_place& place) const { return domain::place_of(command) == place; }

  domain::command command;
  net::deadline deadline;
  std::chrono::steady_clock::time_point queued_at;  ///< set by the queue
  net::oneshot<domain::verdict> answer;
};

}  // namespace coffer::ledger
