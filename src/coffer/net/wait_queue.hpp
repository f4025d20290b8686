// A bounded first-come-first-served queue of waiting coroutines. Knows not what they wait for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <utility>

#include "coffer/net/task.hpp"
#include "coffer/net/waiter.hpp"
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
  wait_queue(const executor& ex, std::size_t limit) : home_{ex}, limit_{limit}, dog_{ex, [this] { expire(); }} {}
  ~wait_queue() { close(); }
  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  /// Waits for a wake_one(). A deadline that has passed gives timed_out at once.
  task<wait_result> wait(deadline until);

  /// Ends the longest wait with `woken`. False when nobody waits.
  bool wake_one() { return end_first(wait_result::woken); }

  /// Ends all waits, those to come included, with `closed`. No timer is left that would keep a loop going.
  void close() {
    closed_ = true;
    while (end_first(wait_result::closed)) {
    }
    dog_.cancel();
  }

  /// How many wait now.
  [[nodiscard]] std::size_t size() const noexcept { return line_.size(); }

 private:
  /// Lives in the frame of its coroutine, which ends only after it has left the line.
  struct place {
    explicit place(deadline d) : until{d} {}
    deadline until;
    wait_result outcome = wait_result::woken;
    waiter waiting;
  };

  void end(place& p, wait_result how) {
    p.outcome = how;
    p.waiting.post(home_);
  }
  bool end_first(wait_result how);
  void expire();
  void watch(std::optional<deadline> next);

  executor home_;
  std::size_t limit_;
  std::list<place*> line_;
  std::optional<deadline> watched_;  ///< the earliest deadline, or an earlier one of somebody who has left
  watchdog dog_;
  bool closed_ = false;
};

inline task<wait_result> wait_queue::wait(deadline until) {
  if (closed_) {
    co_return wait_result::closed;
  }
  if (line_.size() >= limit_) {
    co_return wait_result::full;
  }
  if (until <= deadline::clock::now()) {
    co_return wait_result::timed_out;
  }
  place mine{until};
  auto join = [this, &mine](auto&& h) {
    mine.waiting.hold(std::forward<decltype(h)>(h));
    line_.push_back(&mine);
    if (!watched_ || mine.until < *watched_) {
      watch(mine.until);
    }
  };
  co_await suspend(join);
  co_return mine.outcome;
}

inline bool wait_queue::end_first(wait_result how) {
  if (line_.empty()) {
    return false;
  }
  place& first = *line_.front();
  line_.pop_front();
  end(first, how);
  return true;
}

/// Ends the waits whose deadline has passed, and sets the watchdog to the next deadline.
inline void wait_queue::expire() {
  const deadline now = deadline::clock::now();
  std::optional<deadline> next;
  for (auto at = line_.begin(); at != line_.end();) {
    place& p = **at;
    if (p.until <= now) {
      at = line_.erase(at);
      end(p, wait_result::timed_out);
    } else {
      next = next ? std::min(*next, p.until) : p.until;
      ++at;
    }
  }
  watch(next);
}

inline void wait_queue::watch(std::optional<deadline> next) {
  watched_ = next;
  if (next) {
    dog_.arm(*next);
  }
}

}  // namespace coffer::net
