// What a pool decides, without connections, waiting or a clock: tested step by step.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

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

  [[nodiscard]] pool_stats stats() const noexcept;

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
  std::size_t failures_ = 0;
  time pause_ends_{};
  bool closed_ = false;
};

}  // namespace coffer::pg
