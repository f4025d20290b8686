// What is behind inventory_cache. Held by it, by the reads inside it and by the commands it has sent.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coffer/cache/bypass_set.hpp"
#include "coffer/cache/inventory_cache.hpp"
#include "coffer/cache/nonce.hpp"
#include "coffer/cache/single_flight.hpp"

namespace coffer::cache {

class inventory_cache::impl : public std::enable_shared_from_this<impl> {
 public:
  impl(net::executor ex, redis::client* redis, inventory_cache_options how);
  ~impl();
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  net::task<result<inventory_read>> get(user_id user, net::deadline until, loader load);
  void invalidate(std::span<const user_version> changed);
  void fence(std::span<const user_version> perhaps_changed);
  net::task<bool> reset(std::string epoch);

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

  net::task<look> look_up(user_id user);
  net::task<result<inventory_read>> fetch(user_id user, view seen, loader load);
  net::task<claim_result> claim(user_id user, bool replace_garbage);
  claim_result judge_claim(const redis::reply& answer, const std::string& run) const;
  void fill(user_id user, const permit& right, const inventory_snapshot& fresh);

  /// What follows when the outcome of a deletion is known.
  using unlinked = void (impl::*)(bool success);
  void send_unlink(std::vector<user_id> users, unlinked then);
  void settle(std::span<const user_id> users, bypass_set::mark sent, bool success);
  /// Sends lost invalidations again, once a second at most while they fail.
  void repair();
  void repaired(bool success);
  void update_gauge();
  bool bypassed(user_id user) { return bypass_.contains(user, std::chrono::steady_clock::now()); }

  [[nodiscard]] std::string key(user_id user) const;

  redis::client* redis_;
  inventory_cache_options options_;
  std::string epoch_key_;
  nonce_source nonces_;
  single_flight<user_id, result<inventory_read>> flights_;
  bypass_set bypass_;
  std::size_t shown_bypassed_ = 0;  ///< our share of the gauge
  bool repairing_ = false;
  std::chrono::steady_clock::time_point next_repair_{};
};

}  // namespace coffer::cache
