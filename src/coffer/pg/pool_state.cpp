#include "coffer/pg/pool_state.hpp"

#include <algorithm>

#include "coffer/base/assert.hpp"

namespace coffer::pg {

pool_state::pool_state(pool_limits limits, std::uint64_t seed)
    : limits_{limits}, random_{static_cast<std::minstd_rand::result_type>(seed)}, slots_(limits.size) {
  COFFER_ASSERT(limits.size > 0);
  idle_.reserve(limits.size);
}

void pool_state::change(std::size_t index, slot_state from, slot_state to) {
  slot& s = slots_[index];
  COFFER_ASSERT(s.state == from);
  s.state = to;
  connecting_ -= from == slot_state::connecting ? 1U : 0U;
  connecting_ += to == slot_state::connecting ? 1U : 0U;
  leased_ -= from == slot_state::leased ? 1U : 0U;
  leased_ += to == slot_state::leased ? 1U : 0U;
  if (to == slot_state::idle) {
    idle_.push_back(index);
  }
}

template <typename Duration>
Duration pool_state::jittered(Duration whole, double least) {
  const double share = std::uniform_real_distribution<double>{least, 1.0}(random_);
  return Duration{static_cast<typename Duration::rep>(static_cast<double>(whole.count()) * share)};
}

pool_state::decision pool_state::arrive() {
  if (closed_) {
    return decision::closed;
  }
  if (waiting_ == 0 && idle_.size() > granted_) {
    return decision::use;
  }
  if (waiting_ >= limits_.max_waiting) {
    return decision::full;
  }
  ++waiting_;
  return decision::wait;
}

std::size_t pool_state::take() {
  COFFER_ASSERT(idle_.size() > granted_);
  const std::size_t index = idle_.back();
  idle_.pop_back();
  change(index, slot_state::idle, slot_state::leased);
  return index;
}

void pool_state::give_up() {
  // Closing has emptied the line already.
  if (!closed_) {
    COFFER_ASSERT(waiting_ > 0);
    --waiting_;
  }
}

bool pool_state::next_grant() {
  if (waiting_ == 0 || idle_.size() <= granted_) {
    return false;
  }
  --waiting_;
  ++granted_;
  return true;
}

std::size_t pool_state::take_granted() {
  COFFER_ASSERT(granted_ > 0);
  --granted_;
  return take();
}

pool_state::fate pool_state::give_back(std::size_t index, bool usable, time now) {
  const fate what = closed_                        ? fate::closed
                    : !usable                      ? fate::broken
                    : now >= slots_[index].expires ? fate::expired
                                                   : fate::kept;
  change(index, slot_state::leased, what == fate::kept ? slot_state::idle : slot_state::empty);
  return what;
}

void pool_state::bury(std::size_t index) { change(index, slot_state::leased, slot_state::empty); }

bool pool_state::wants_connection() const noexcept {
  // While the server cannot be reached, one attempt at a time is enough to find out that it can.
  const std::size_t most = failures_ > 0 ? 1 : limits_.size;
  return !closed_ && waiting_ > connecting_ && connecting_ < most &&
         idle_.size() + leased_ + connecting_ < limits_.size;
}

std::optional<std::size_t> pool_state::next_connect(time now) {
  if (!wants_connection() || now < pause_ends_) {
    return std::nullopt;
  }
  const auto free =
      std::find_if(slots_.begin(), slots_.end(), [](const slot& s) { return s.state == slot_state::empty; });
  COFFER_ASSERT(free != slots_.end());
  const auto index = static_cast<std::size_t>(free - slots_.begin());
  change(index, slot_state::empty, slot_state::connecting);
  return index;
}

std::optional<pool_state::time> pool_state::retry_at(time now) const {
  return wants_connection() && now < pause_ends_ ? std::optional{pause_ends_} : std::nullopt;
}

bool pool_state::connected(std::size_t index, time now) {
  failures_ = 0;
  pause_ends_ = {};
  change(index, slot_state::connecting, closed_ ? slot_state::empty : slot_state::idle);
  slots_[index].expires = now + jittered(limits_.max_age, 0.9);
  return !closed_;
}

void pool_state::connect_failed(std::size_t index, time now) {
  change(index, slot_state::connecting, slot_state::empty);
  // Attempts that were under way together count as one failure.
  if (now < pause_ends_) {
    return;
  }
  const auto doubled = limits_.min_backoff * (std::int64_t{1} << std::min<std::size_t>(failures_, 20));
  ++failures_;
  pause_ends_ = now + jittered(std::min(doubled, limits_.max_backoff), 0.5);
}

std::vector<std::size_t> pool_state::close() {
  closed_ = true;
  waiting_ = 0;
  // Callers that were woken already still come for theirs.
  std::vector<std::size_t> closing;
  while (idle_.size() > granted_) {
    closing.push_back(idle_.back());
    slots_[idle_.back()].state = slot_state::empty;
    idle_.pop_back();
  }
  return closing;
}

pool_stats pool_state::stats() const noexcept { return {idle_.size(), leased_, connecting_, waiting_}; }

}  // namespace coffer::pg
