// A slot for one value: one coroutine waits for it, one piece of code sets it. The bridge from callbacks, lanes and
// other threads to a waiting coroutine.
#pragma once

#include <optional>
#include <utility>

#include "coffer/base/assert.hpp"
#include "coffer/net/task.hpp"
#include "coffer/net/waiter.hpp"

namespace coffer::net {

/// A single-use slot. The waiter owns it and must stay alive until set() has been called; a slot that somebody will
/// set must therefore always be awaited to its end. Nothing is allocated but asio's recycled operation frames.
template <typename T>
class oneshot {
 public:
  /// A slot whose waiter runs on `ex`.
  explicit oneshot(executor ex) : executor_{std::move(ex)} {}
  oneshot(const oneshot&) = delete;
  oneshot& operator=(const oneshot&) = delete;

  /// Waits for the value. At most one call per slot, on the slot's executor.
  task<T> wait() {
    if (!value_) {
      auto store = [this](auto&& h) { waiter_.hold(std::forward<decltype(h)>(h)); };
      co_await suspend(store);
    }
    T value = std::move(*value_);
    co_return value;
  }

  /// Stores the value and resumes the waiter through post. Call once, on the thread of the slot's executor.
  void set(T value) {
    COFFER_ASSERT(!value_);
    value_.emplace(std::move(value));
    waiter_.post(executor_);
  }

  /// As set(), from any thread: the value travels to the slot's executor first.
  void set_from_any_thread(T value) {
    asio::post(executor_, [this, v = std::move(value)]() mutable {
      COFFER_ASSERT(!value_);
      value_.emplace(std::move(v));
      waiter_.resume();
    });
  }

 private:
  executor executor_;
  waiter waiter_;
  std::optional<T> value_;
};

}  // namespace coffer::net
