// Waits for readiness of the socket that libpq owns, with a deadline. Reads and writes nothing itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "coffer/base/assert.hpp"
#include "coffer/net/task.hpp"
#include "coffer/net/waiter.hpp"
#include "coffer/net/watchdog.hpp"

namespace coffer::pg {

/// What ended a wait.
enum class readiness : std::uint8_t { ready, expired };

/// What to wait for.
enum class interest : std::uint8_t { read, write, read_or_write };

/// Follows one file descriptor at a time. libpq replaces its socket while it connects, often under the same number, so
/// the descriptor must be released before libpq may close it: before each PQconnectPoll and before PQfinish.
class socket {
 public:
  explicit socket(const net::executor& ex) : state_{std::make_shared<state>(ex)} {}
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

/// Shared with a waiting coroutine, which may outlive the socket by a step.
struct socket::state {
  explicit state(const net::executor& ex) : descriptor{ex}, dog{ex, [this] { expire(); }} {}

  void expire() {
    if (descriptor.is_open()) {
      descriptor.cancel();
    }
  }

  [[nodiscard]] readiness outcome() const noexcept {
    return until && std::chrono::steady_clock::now() >= *until ? readiness::expired : readiness::ready;
  }

  net::descriptor descriptor;
  net::watchdog dog;
  std::optional<net::deadline> until;
};

inline socket::~socket() {
  release();
  clear_deadline();
}

inline void socket::assign(int fd) {
  COFFER_ASSERT(!state_->descriptor.is_open());
  state_->descriptor.assign(fd);
}

inline void socket::release() noexcept {
  if (state_->descriptor.is_open()) {
    state_->descriptor.release();
  }
}

inline void socket::set_deadline(net::deadline until) {
  state_->until = until;
  state_->dog.arm(until);
}

inline void socket::clear_deadline() noexcept {
  state_->until.reset();
  state_->dog.disarm();
}

inline net::task<readiness> socket::wait(interest what) {
  const std::shared_ptr<state> s = state_;
  if (s->outcome() == readiness::expired) {
    co_return readiness::expired;
  }
  if (what == interest::read) {
    co_await s->descriptor.async_wait(net::descriptor::wait_read, net::as_tuple);
    co_return s->outcome();
  }
  auto both = [&s, what](auto&& h) {
    // The operation that ends first resumes. Owned by the operations alone, so that frames that still wait when their
    // io_context is destroyed are destroyed with it.
    auto waiter = std::make_shared<net::waiter>(std::forward<decltype(h)>(h));
    s->descriptor.async_wait(net::descriptor::wait_write, [waiter](const auto&) { waiter->resume(); });
    if (what == interest::read_or_write) {
      s->descriptor.async_wait(net::descriptor::wait_read, [waiter](const auto&) { waiter->resume(); });
    }
  };
  co_await net::suspend(both);
  // The direction that is not ready yet has lost its waiter.
  if (s->descriptor.is_open()) {
    s->descriptor.cancel();
  }
  co_return s->outcome();
}

}  // namespace coffer::pg
