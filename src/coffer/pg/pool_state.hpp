// What a pool decides, without connections, waiting or a clock: tested step by step.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "coffer/base/assert.hpp"
#include "coffer/base/backoff.hpp"

namespace coffer::pg {

/// The limits of a pool.
struct pool_limits {
  /// The most connections, connecting ones included.
  std::size_t size = 8;
  /// The most callers that wait for one; further ones are refused at once.
  std::size_t max_waiting = 1024;
  /// The longest a caller waits for a connection, whatever its own deadline.
  std::chrono::milliseconds acquire_timeout{30'000};
  /// A connection older than this (less up to a tenth, so that they do not all end together) is replaced when it is
  /// returned: a promoted or rebalanced server gets its share again.
  std::chrono::milliseconds max_age{std::chrono::minutes{30}};
  /// The first pause after a failed connect; doubled at each further one up to max_backoff. Up to half of it is cut off
  /// at random, so that the processes of a restarted server do not come back in step.
  std::chrono::milliseconds min_backoff{50};
  std::chrono::milliseconds max_backoff{1000};
};

/// A snapshot of a pool.
struct pool_stats {
  std::size_t idle = 0;
  std::size_t leased = 0;
  std::size_t connecting = 0;
  std::size_t waiting = 0;

  friend bool operator==(const pool_stats&, const pool_stats&) = default;
};

/// The bookkeeping of a pool's slots and callers. Each member is one event; what must be done about it is returned.
/// After every event ask next_connect() and next_grant() until they give nothing.
class pool_state {
 public:
  using time = std::chrono::steady_clock::time_point;

  /// What a caller that wants a connection does.
  enum class decision : std::uint8_t {
    use,     ///< take the slot from take()
    wait,    ///< it is in line now
    full,    ///< too many wait already
    closed,  ///< the pool has been closed
  };
  /// What becomes of a connection that is returned.
  enum class fate : std::uint8_t {
    kept,     ///< idle again
    expired,  ///< close it: it is too old
    broken,   ///< close it: it cannot be used any more
    closed,   ///< close it: the pool has been closed
  };

  /// `seed` is for the jitter.
  pool_state(pool_limits limits, std::uint64_t seed);

  /// A caller arrives. Those in line are served first.
  decision arrive();
  /// The slot for a caller that may use one (`use`, or granted): the connection that was used last.
  std::size_t take();
  /// A caller in line gave up.
  void give_up();
  /// Whether a caller in line has its turn: wake it, it calls take_granted().
  bool next_grant();
  /// The slot of a caller that had its turn.
  std::size_t take_granted();

  /// A lent connection comes back.
  fate give_back(std::size_t slot, bool usable, time now);
  /// A lent connection turned out to be dead.
  void bury(std::size_t slot);

  /// The slot to open a connection for now, if one is wanted and allowed.
  std::optional<std::size_t> next_connect(time now);
  /// When next_connect() may give more because a pause has ended; nullopt when nothing is wanted.
  [[nodiscard]] std::optional<time> retry_at(time now) const;
  /// An attempt succeeded. False: the pool has been closed, drop the connection.
  bool connected(std::size_t slot, time now);
  void connect_failed(std::size_t slot, time now);
  /// Whether the newest attempt failed.
  [[nodiscard]] bool failing() const noexcept { return failures_ > 0; }

  /// No more callers, no more connections. The slots whose idle connections are to be closed.
  std::vector<std::size_t> close();
  [[nodiscard]] bool is_closed() const noexcept { return closed_; }

  [[nodiscard]] pool_stats stats() const noexcept { return {idle_.size(), leased_, connecting_, waiting_}; }

 private:
  enum class slot_state : std::uint8_t { empty, connecting, idle, leased };
  struct slot {
    slot_state state = slot_state::empty;
    time expires{};
  };

  [[nodiscard]] bool wants_connection() const noexcept;
  void change(std::size_t index, slot_state from, slot_state to);
  /// A random share of `whole` between `least` and 1.
  template <typename Duration>
  Duration jittered(Duration whole, double least);

  pool_limits limits_;
  std::minstd_rand random_;
  std::vector<slot> slots_;
  std::vector<std::size_t> idle_;  ///< used last at the back
  std::size_t leased_ = 0;
  std::size_t connecting_ = 0;
  std::size_t waiting_ = 0;
  std::size_t granted_ = 0;  ///< woken callers that have not come for their slot yet: as many idle ones are theirs
  int failures_ = 0;
  time pause_ends_{};
  bool closed_ = false;
};

inline pool_state::pool_state(pool_limits limits, std::uint64_t seed)
    : limits_{limits}, random_{static_cast<std::minstd_rand::result_type>(seed)}, slots_(limits.size) {
  COFFER_ASSERT(limits.size > 0);
  idle_.reserve(limits.size);
}

inline void pool_state::change(std::size_t index, slot_state from, slot_state to) {
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

inline pool_state::decision pool_state::arrive() {
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

inline std::size_t pool_state::take() {
  COFFER_ASSERT(idle_.size() > granted_);
  const std::size_t index = idle_.back();
  idle_.pop_back();
  change(index, slot_state::idle, slot_state::leased);
  return index;
}

inline void pool_state::give_up() {
  // Closing has emptied the line already.
  if (!closed_) {
    COFFER_ASSERT(waiting_ > 0);
    --waiting_;
  }
}

inline bool pool_state::next_grant() {
  if (waiting_ == 0 || idle_.size() <= granted_) {
    return false;
  }
  --waiting_;
  ++granted_;
  return true;
}

inline std::size_t pool_state::take_granted() {
  COFFER_ASSERT(granted_ > 0);
  --granted_;
  return take();
}

inline pool_state::fate pool_state::give_back(std::size_t index, bool usable, time now) {
  const fate what = closed_                        ? fate::closed
                    : !usable                      ? fate::broken
                    : now >= slots_[index].expires ? fate::expired
                                                   : fate::kept;
  change(index, slot_state::leased, what == fate::kept ? slot_state::idle : slot_state::empty);
  return what;
}

inline void pool_state::bury(std::size_t index) { change(index, slot_state::leased, slot_state::empty); }

inline bool pool_state::wants_connection() const noexcept {
  // While the server cannot be reached, one attempt at a time is enough to find out that it can.
  const std::size_t most = failures_ > 0 ? 1 : limits_.size;
  return !closed_ && waiting_ > connecting_ && connecting_ < most &&
         idle_.size() + leased_ + connecting_ < limits_.size;
}

inline std::optional<std::size_t> pool_state::next_connect(time now) {
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

inline std::optional<pool_state::time> pool_state::retry_at(time now) const {
  return wants_connection() && now < pause_ends_ ? std::optional{pause_ends_} : std::nullopt;
}

inline bool pool_state::connected(std::size_t index, time now) {
  failures_ = 0;
  pause_ends_ = {};
  change(index, slot_state::connecting, closed_ ? slot_state::empty : slot_state::idle);
  slots_[index].expires = now + jittered(limits_.max_age, 0.9);
  return !closed_;
}

inline void pool_state::connect_failed(std::size_t index, time now) {
  change(index, slot_state::connecting, slot_state::empty);
  // Attempts that were under way together count as one failure.
  if (now < pause_ends_) {
    return;
  }
  pause_ends_ = now + backoff(limits_.min_backoff, limits_.max_backoff, failures_++, random_);
}

inline std::vector<std::size_t> pool_state::close() {
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

}  // namespace coffer::pg
