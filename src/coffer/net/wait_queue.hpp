// A bounded first-come-first-served queue of waiting coroutines. Knows not what they wait for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "coffer/net/task.hpp"
#include "coffer/net/watchdog.hpp"

namespace coffer::net {

/// How a wait ended.
enum class wait_result : std::uint8_t {
  woken,      ///< it was this waiter's turn
  timed_out,  ///< its deadline passed first
  full,       ///< the queue was at its limit
  closed,     ///< the queue was closed
};

/// Coroutines of one thread wait in line until woken one by one. Waiters are resumed through post. Destroying the
/// queue ends all waits with `closed`.
class wait_queue {
 public:
  /// At most `limit` may wait at once.
  wait_queue(executor ex, std::size_t limit) : state_{std::make_unique<state>(std::move(ex), limit)} {}
  ~wait_queue() { close(); }
  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  /// Waits for a wake_one(). A deadline that has passed gives timed_out at once.
  task<wait_result> wait(deadline until);

  /// Ends the longest wait with `woken`. False when nobody waits.
  bool wake_one();

  /// Ends all waits, those to come included, with `closed`.
  void close();

  /// How many wait now.
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

struct wait_queue::state {
  using handler = asio::async_result<asio::use_awaitable_t<executor>, void()>::handler_type;

  /// Lives in the frame of its coroutine, which ends only after it has left the list.
  struct waiter {
    explicit waiter(deadline d) : until{d} {}
    deadline until;
    wait_result outcome = wait_result::woken;
    std::optional<handler> waiting;
  };
  using line = std::list<waiter*>;

  state(executor ex, std::size_t most) : home{ex}, limit{most}, dog{ex, [this] { expire(); }} {}

  void resume(waiter& w, wait_result how) {
    w.outcome = how;
    asio::post(home, std::move(*w.waiting));
  }

  /// Ends the waits whose deadline has passed, and sets the watchdog to the next deadline.
  void expire() {
    const deadline now = deadline::clock::now();
    std::optional<deadline> next;
    for (auto at = waiters.begin(); at != waiters.end();) {
      waiter& w = **at;
      if (w.until <= now) {
        at = waiters.erase(at);
        resume(w, wait_result::timed_out);
      } else {
        next = next ? std::min(*next, w.until) : w.until;
        ++at;
      }
    }
    watch(next);
  }

  void watch(std::optional<deadline> next) {
    watched = next;
    if (next) {
      dog.arm(*next);
    }
  }

  executor home;
  std::size_t limit;
  line waiters;
  std::optional<deadline> watched;  ///< the earliest deadline, or an earlier one of somebody who has left
  watchdog dog;
  bool closed = false;
};

inline task<wait_result> wait_queue::wait(deadline until) {
  state& s = *state_;
  if (s.closed) {
    co_return wait_result::closed;
  }
  if (s.waiters.size() >= s.limit) {
    co_return wait_result::full;
  }
  if (until <= deadline::clock::now()) {
    co_return wait_result::timed_out;
  }
  state::waiter self{until};
  auto join = [&s, &self](auto&& h) {
    self.waiting.emplace(std::forward<decltype(h)>(h));
    s.waiters.push_back(&self);
    if (!s.watched || self.until < *s.watched) {
      s.watch(self.until);
    }
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<executor>, void()>(join, use_task);
  co_return self.outcome;
}

inline bool wait_queue::wake_one() {
  if (state_->waiters.empty()) {
    return false;
  }
  state::waiter& first = *state_->waiters.front();
  state_->waiters.pop_front();
  state_->resume(first, wait_result::woken);
  return true;
}

inline void wait_queue::close() {
  state_->closed = true;
  while (!state_->waiters.empty()) {
    state::waiter& first = *state_->waiters.front();
    state_->waiters.pop_front();
    state_->resume(first, wait_result::closed);
  }
}

inline std::size_t wait_queue::size() const noexcept { return state_->waiters.size(); }

}  // namespace coffer::net
