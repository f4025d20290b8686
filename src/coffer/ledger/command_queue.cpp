#include "coffer/ledger/command_queue.hpp"

#include <algorithm>

#include "coffer/base/assert.hpp"
#include "coffer/base/error.hpp"
#include "coffer/ledger/ledger_metrics.hpp"

namespace coffer::ledger {

namespace {

using clock = std::chrono::steady_clock;

/// Removes the first `count` commands.
std::vector<pending*> pop(std::deque<pending*>& from, std::size_t count) {
  const auto end = from.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<pending*> taken{from.begin(), end};
  from.erase(from.begin(), end);
  return taken;
}

}  // namespace

command_queue::command_queue(const net::executor& ex, std::size_t limit, std::chrono::milliseconds patience)
    : limit_{limit}, patience_{patience}, late_{ex, [this] { refuse_late(); }} {}

void command_queue::push(std::span<pending* const> group) {
  const ledger_metrics& count = ledger_metrics::get();
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

void command_queue::refuse(std::span<pending* const> group) {
  ledger_metrics::get().overloaded.add(static_cast<double>(group.size()));
  for (pending* p : group) {
    p->answer.set_from_any_thread(std::unexpected(error{errc::overloaded}));
  }
}

std::vector<pending*> command_queue::take(std::size_t most) {
  COFFER_ASSERT(!queue_.empty());
  std::size_t count = queue_.front()->command.together;
  while (count < queue_.size() && count + queue_[count]->command.together <= most) {
    count += queue_[count]->command.together;
  }
  std::vector<pending*> taken = pop(queue_, count);
  ledger_metrics::get().queued.add(-static_cast<double>(count));
  admit();
  return taken;
}

/// Lets those into the queue who have waited longest, as far as there is room.
void command_queue::admit() {
  std::size_t count = 0;
  while (count < waiting_.size() && has_room(count + waiting_[count]->command.together)) {
    count += waiting_[count]->command.together;
  }
  const std::vector<pending*> admitted = pop(waiting_, count);
  queue_.insert(queue_.end(), admitted.begin(), admitted.end());
  ledger_metrics::get().waiting.add(-static_cast<double>(count));
  ledger_metrics::get().queued.add(static_cast<double>(count));
  watch();
}

/// Answers those who have waited too long.
void command_queue::refuse_late() {
  const auto since = clock::now() - patience_;
  while (!waiting_.empty() && waiting_.front()->queued_at <= since) {
    const std::vector<pending*> group = pop(waiting_, waiting_.front()->command.together);
    ledger_metrics::get().waiting.add(-static_cast<double>(group.size()));
    refuse(group);
  }
  // A group that was too large for the room there is may have been in the way of others.
  admit();
}

void command_queue::watch() {
  if (waiting_.empty()) {
    late_.disarm();
  } else {
    late_.arm(waiting_.front()->queued_at + patience_);
  }
}

bool command_queue::holds(const domain::key_place& place) const {
  const auto matches = [&place](const pending* p) { return p->is(place); };
  return std::ranges::any_of(queue_, matches) || std::ranges::any_of(waiting_, matches);
}

}  // namespace coffer::ledger
