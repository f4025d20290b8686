// Waits for readiness of the socket that libpq owns, with a deadline. Reads and writes nothing itself.
#pragma once

#include <cstdint>
#include <memory>

#include "coffer/net/task.hpp"

namespace coffer::pg {

/// What ended a wait.
enum class readiness : std::uint8_t { ready, expired };

/// What to wait for.
enum class interest : std::uint8_t { read, write, read_or_write };

/// Follows one file descriptor at a time. libpq replaces its socket while it connects, often under the same number, so
/// the descriptor must be released before libpq may close it: before each PQconnectPoll and before PQfinish.
class socket {
 public:
  explicit socket(const net::executor& ex);
  /// Releases the descriptor. A coroutine must not be waiting.
  ~socket();
  socket(const socket&) = delete;
  socket& operator=(const socket&) = delete;

  /// Watches `fd`, which stays libpq's.
  void assign(int fd);
  /// Stops watching; the descriptor stays open. Harmless without one.
  void release() noexcept;

  /// Waits end with `expired` from `until` on. A later deadline than the one before costs no timer operation.
  void set_deadline(net::deadline until);
  /// Waits end no more by themselves.
  void clear_deadline() noexcept;

  /// Waits until the descriptor is ready or the deadline has passed. May end early: look, then wait again. One wait at
  /// a time.
  net::task<readiness> wait(interest what);

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace coffer::pg
