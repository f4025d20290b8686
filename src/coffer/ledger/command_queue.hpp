// What waits for a lane: a bounded queue, and before it as many places again for those who came when it was full.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <span>
#include <vector>

#include "coffer/base/assert.hpp"
#include "coffer/base/error.hpp"
#include "coffer/ledger/ledger_metrics.hpp"
#include "coffer/ledger/pending.hpp"
#include "coffer/net/watchdog.hpp"

namespace coffer::ledger {

/// Commands in order of arrival. One that finds the queue full waits `patience` for room and is answered `overloaded`
/// then, or at once when as many as the queue holds wait already: refused clients ask again, and what their asking
/// costs is taken from those who are served (docs/adr/0022). On one thread, by the clock of `Timer`.
template <typename Timer>
class basic_command_queue {
 public:
  /// `limit`: commands in the queue, and as many again that wait for it.
  basic_command_queue(const net::executor& ex, std::size_t limit, std::chrono::milliseconds patience);

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
  using clock = typename Timer::clock_type;

  [[nodiscard]] bool has_room(std::size_t size) const noexcept { return queue_.size() + size <= limit_; }
  void admit();
  void refuse_late();
  void watch();

  std::size_t limit_;
  std::chrono::milliseconds patience_;
  std::deque<pending*> queue_;
  std::deque<pending*> waiting_;     ///< for room in queue_
  net::basic_watchdog<Timer> late_;  ///< armed while somebody waits
};

using command_queue = basic_command_queue<net::steady_timer>;

namespace detail {

/// Removes the first `count` commands.
inline std::vector<pending*> pop(std::deque<pending*>& from, std::size_t count) {
  const auto end = from.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<pending*> taken{from.begin(), end};
  from.erase(from.begin(), end);
  return taken;
}

}  // namespace detail

template <typename Timer>
basic_command_queue<Timer>::basic_command_queue(const net::executor& ex, std::size_t limit,
                                                std::chrono::milliseconds patience)
    : limit_{limit}, patience_{patience}, late_{ex, [this] { refuse_late(); }} {}

template <typename Timer>
void basic_command_queue<Timer>::push(std::span<pending* const> group) {
  const ledger_metrics& count = ledger_metrics::get();
  const auto now = clock::now();
  for (pending* p : group) {
    p->queued_at = now;
  }
  if (waiting_.empty() && (has_room(group.size()) || queue_.empty())) {
    queue_.insert(queue_.end(), group.begin(), group.end());
    count.queued.add(static_cast<double>(group.size()));
  } else if (group.size() <= limit_ && waiting_.size() + group.size() <= limit_) {
    waiting_.insert(waiting_.end(), group.begin(), group.end());
    count.waiting.add(static_cast<double>(group.size()));
    watch();
  } else {
    refuse(group);
  }
}

template <typename Timer>
void basic_command_queue<Timer>::refuse(std::span<pending* const> group) {
  ledger_metrics::get().overloaded.add(static_cast<double>(group.size()));
  for (pending* p : group) {
    p->answer.set_from_any_thread(std::unexpected(error{errc::overloaded}));
  }
}

template <typename Timer>
std::vector<pending*> basic_command_queue<Timer>::take(std::size_t most) {
  COFFER_ASSERT(!queue_.empty());
  std::size_t count = queue_.front()->command.together;
  while (count < queue_.size() && count + queue_[count]->command.together <= most) {
    count += queue_[count]->command.together;
  }
  std::vector<pending*> taken = detail::pop(queue_, count);
  ledger_metrics::get().queued.add(-static_cast<double>(count));
  admit();
  return taken;
}

/// Lets those into the queue who have waited longest, as far as there is room.
template <typename Timer>
void basic_command_queue<Timer>::admit() {
  std::size_t count = 0;
  while (count < waiting_.size() && has_room(count + waiting_[count]->command.together)) {
    count += waiting_[count]->command.together;
  }
  const std::vector<pending*> admitted = detail::pop(waiting_, count);
  queue_.insert(queue_.end(), admitted.begin(), admitted.end());
  ledger_metrics::get().waiting.add(-static_cast<double>(count));
  ledger_metrics::get().queued.add(static_cast<double>(count));
  watch();
}

/// Answers those who have waited too long.
template <typename Timer>
void basic_command_queue<Timer>::refuse_late() {
  const auto since = clock::now() - patience_;
  while (!waiting_.empty() && waiting_.front()->queued_at <= since) {
    const std::vector<pending*> group = detail::pop(waiting_, waiting_.front()->command.together);
    ledger_metrics::get().waiting.add(-static_cast<double>(group.size()));
    refuse(group);
  }
  // A group that was too large for the room there is may have been in the way of others.
  admit();
}

template <typename Timer>
void basic_command_queue<Timer>::watch() {
  if (waiting_.empty()) {
    late_.disarm();
  } else {
    late_.arm(waiting_.front()->queued_at + patience_);
  }
}

template <typename Timer>
bool basic_command_queue<Timer>::holds(const domain::key_place& place) const {
  const auto matches = [&place](const pending* p) { return p->is(place); };
  return std::ranges::any_of(queue_, matches) || std::ranges::any_of(waiting_, matches);
}

}  // namespace coffer::ledger
