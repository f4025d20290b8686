// A bounded first-come-first-served queue of waiting coroutines. Knows not what they wait for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "coffer/net/task.hpp"

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
  wait_queue(executor ex, std::size_t limit);
  ~wait_queue();
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

}  // namespace coffer::net
