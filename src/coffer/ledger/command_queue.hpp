// What waits for a lane: a bounded queue, and before it as many places again for those who came when it was full.
#pragma once

#include <chrono>
#include <deque>
#include <span>
#include <vector>

#include "coffer/ledger/pending.hpp"
#include "coffer/net/watchdog.hpp"

namespace coffer::ledger {

/// Commands in order of arrival. One that finds the queue full waits `patience` for room and is answered `overloaded`
/// then, or at once when as many as the queue holds wait already: refused clients ask again, and what their asking
/// costs is taken from those who are served (docs/adr/0022). On one thread.
class command_queue {
 public:
  /// `limit`: commands in the queue, and as many again that wait for it.
  command_queue(const net::executor& ex, std::size_t limit, std::chrono::milliseconds patience);

  /// Takes commands that happen together (domain::command::together), all or none, or answers them. More than `limit`
  /// are taken when nothing else is here: smaller queues than groups would refuse them for ever.
  void push(std::span<pending* const> group);

  /// Answers a group `overloaded`.
  static void refuse(std::span<pending* const> group);

  /// Removes the commands of the next batch, `most` at most and no group in part; a group that is larger comes alone.
  /// The queue is not empty.
  std::vector<pending*> take(std::size_t most);

  /// When it is empty nobody waits for room either.
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }

  /// Whether a command with the key of this place is here.
  [[nodiscard]] bool holds(const domain::key_place& place) const;

 private:
  [[nodiscard]] bool has_room(std::size_t size) const noexcept { return queue_.size() + size <= limit_; }
  void admit();
  void refuse_late();
  void watch();

  std::size_t limit_;
  std::chrono::milliseconds patience_;
  std::deque<pending*> queue_;
  std::deque<pending*> waiting_;  ///< for room in queue_
  net::watchdog late_;            ///< armed while somebody waits
};

}  // namespace coffer::ledger
