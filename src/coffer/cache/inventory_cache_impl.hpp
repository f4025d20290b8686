// What is behind inventory_cache. Held by it, by the reads inside it and by the commands it has sent.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coffer/cache/bypass_set.hpp"
#include "coffer/cache/doubt_list.hpp"
#include "coffer/cache/inventory_cache.hpp"
#include "coffer/cache/nonce.hpp"
#include "coffer/cache/single_flight.hpp"
#include "coffer/net/watchdog.hpp"

namespace coffer::cache {

/// Between attempts to repeat what was lost: doubled with each that fails.
inline constexpr std::chrono::milliseconds shortest_repair_pause{1000};
inline constexpr std::chrono::milliseconds longest_repair_pause{16'000};

class inventory_cache::impl : public std::enable_shared_from_this<impl> {
 public:
  impl(net::executor ex, redis::client* redis, inventory_cache_options how);
  ~impl();
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  /// Asks for the epoch in force, as soon as the executor runs: what was stored under a later one is ours or was stored
  /// since.
  void find_epoch(const net::executor& ex);

  net::task<result<inventory_read>> get(user_id user, net::deadline until, loader load);
  void invalidate(std::span<const user_version> changed);
  void fence(std::span<const user_version> perhaps_changed);
  net::task<bool> reset(std::string epoch);
  void stop() { repair_timer_.reset(); }

 private:
  /// How a read of the cache went.
  enum class view : std::uint8_t {
    hit,
    empty,        ///< nothing of use; a lease may be taken
    garbage,      ///< as empty, and what is there must be replaced
    unreachable,  ///< no sensible reply
    bypass,       ///< not to be asked
  };

  struct look {
    explicit look(view v) : seen{v} {}
    look(version at, std::string json) : seen{view::hit}, snapshot{at, std::move(json)} {}
    view seen;
    inventory_snapshot snapshot;
  };

  /// The right to store what is loaded from now on: the lease or fence that must still be there then.
  struct permit {
    std::string witness;
    std::string tag;                  ///< of the value to store
    std::optional<version> at_least;  ///< nothing older, by a fence
  };

  /// A permit, or the value that somebody else stored first, or neither.
  struct claim_result {
    std::optional<permit> right;
    std::optional<inventory_snapshot> found;
  };

  net::task<look> look_up(user_id user, net::deadline until);
  look judge(user_id user, redis::reply& answer);
  net::task<result<inventory_read>> fetch(user_id user, view seen, loader load);
  net::task<claim_result> claim(user_id user, bool replace_garbage);
  claim_result judge_claim(user_id user, const redis::reply& answer, const std::string& run);
  void fill(user_id user, const permit& right, const inventory_snapshot& fresh);

  /// Sees to it that nothing is served that is older than this process: `hit` when that is so, else why not. Not by
  /// two callers at once.
  net::task<view> begin();

  void settle(std::span<const user_id> users, bypass_set::mark sent, bool success);
  void send_fences(std::span<const user_version> doubtful, bool repairs);
  void fences_sent(std::span<const user_id> users, bypass_set::mark sent, bool success);
  /// Sends what was lost again, and fences whose life is half over; while that fails, after growing pauses.
  void repair();
  /// Sees to it that repair() is called while there is something to repeat, also when nobody reads.
  void plan_repair();
  void on_repair_timer();
  void send_forget(std::vector<user_id> users);
  void send_renew();
  void repaired(bool success);
  void update_gauges();
  bool bypassed(user_id user) {
    const auto now = std::chrono::steady_clock::now();
    return bypass_.contains(user, now) || doubts_.everybody(now);
  }

  [[nodiscard]] std::string key(user_id user) const;

  redis::client* redis_;
  inventory_cache_options options_;
  std::string epoch_key_;
  nonce_source nonces_;
  single_flight<user_id, result<inventory_read>> flights_;
  bypass_set bypass_;
  doubt_list doubts_;
  std::size_t shown_bypassed_ = 0;  ///< our share of the gauges
  std::size_t shown_doubts_ = 0;
  int repairs_ = 0;  ///< commands of repair() without a reply
  bool repair_failed_ = false;
  std::chrono::steady_clock::time_point next_repair_{};
  std::chrono::milliseconds repair_pause_;
  bool repair_planned_ = false;
  std::optional<net::watchdog> repair_timer_;  ///< gone after stop()

  std::optional<std::string> found_epoch_;  ///< the one in force when this began, empty: none; once that is known
  single_flight<int, view> starts_;
  bool begun_ = false;
  std::chrono::steady_clock::time_point next_begin_{};
  std::chrono::steady_clock::time_point safe_from_;  ///< then nothing from before this process is left
};

}  // namespace coffer::cache
