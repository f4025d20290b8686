// How a coroutine waits for a callback: everything that does so is built of this.
#pragma once

#include <optional>
#include <utility>

#include "coffer/net/task.hpp"

namespace coffer::net {

/// One coroutine that waits to be resumed, or none. Holds the coroutine's frame: a waiter that lies in that very frame
/// must be resumed some day, or the frame is never destroyed.
class waiter {
 public:
  using handler = asio::async_result<asio::use_awaitable_t<executor>, void()>::handler_type;

  waiter() = default;
  explicit waiter(handler h) : waiting_{std::move(h)} {}

  /// Takes over the handler that suspend() gives.
  void hold(handler h) { waiting_.emplace(std::move(h)); }

  [[nodiscard]] explicit operator bool() const noexcept { return waiting_.has_value(); }

  /// Resumes the coroutine within this call. Harmless when there is none, or none any more.
  void resume() {
    if (waiting_) {
      handler resumed = std::move(*waiting_);
      waiting_.reset();
      std::move(resumed)();
    }
  }

  /// As resume(), through the queue of `ex`.
  void post(const executor& ex) {
    if (waiting_) {
      asio::post(ex, std::move(*waiting_));
      waiting_.reset();
    }
  }

 private:
  std::optional<handler> waiting_;
};

/// Suspends the calling coroutine and gives `start` its handler, to make a waiter of. `start` is a variable of the
/// caller, because g++ 12 destroys temporaries twice here.
template <typename Start>
auto suspend(Start& start) {
  return asio::async_initiate<const asio::use_awaitable_t<executor>, void()>(start, use_task);
}

}  // namespace coffer::net
