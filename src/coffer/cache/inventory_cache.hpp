// Inventories ready to be sent, kept in Redis. Knows users and versions, not what an inventory looks like. One
// instance per thread, for the users whose lanes that thread owns.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "coffer/base/error.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/net/task.hpp"
#include "coffer/redis/client.hpp"

namespace coffer::cache {

/// An inventory as one read of the database saw it.
struct inventory_snapshot {
  inventory_snapshot() = default;
  inventory_snapshot(version v, std::string bytes) : at{v}, json{std::move(bytes)} {}

  version at;
  std::string json;
};

/// Where an answer came from.
enum class source : std::uint8_t {
  hit,     ///< the cache
  miss,    ///< the database
  bypass,  ///< the database, because the cache may hold something older
};

/// A snapshot and its source.
struct inventory_read {
  inventory_read() = default;
  inventory_read(inventory_snapshot s, source where) : snapshot{std::move(s)}, from{where} {}

  inventory_snapshot snapshot;
  source from = source::miss;
};

/// A user and a version of theirs.
using user_version = std::pair<user_id, version>;

struct inventory_cache_options {
  inventory_cache_options() = default;
  explicit inventory_cache_options(std::string key_prefix) : prefix{std::move(key_prefix)} {}

  std::string prefix = "coffer:";      ///< of every key
  std::chrono::seconds ttl{300};       ///< of a value
  std::chrono::seconds lease_ttl{10};  ///< longer than any load may take
  std::size_t max_bypassed = 65536;    ///< users remembered after lost invalidations; beyond: nobody is served
  std::size_t max_doubts = 65536;      ///< users of commits in doubt; beyond: nobody is served for a TTL
  std::chrono::seconds doubt{3600};    ///< the longest that a doubt is remembered when nothing ends it
  std::size_t max_loading = 4096;      ///< users loaded at once whose readers are merged; beyond: not merged
  std::size_t max_waiting = 65536;     ///< readers waiting for another's load; beyond: 503
};

/// A read is never older than what this process had announced with invalidate() before the read began, whatever state
/// Redis is in; changes by other processes count from when Redis has received their invalidation, at the latest after
/// the TTL.
///
/// How: a reader that finds nothing first takes a lease in Redis, then reads the database, then replaces its lease,
/// and only its lease, by the value. An invalidation deletes the key, and with it any lease. So a slow reader stores
/// nothing once something newer was announced, nor after the key was evicted, flushed or expired. An invalidation that
/// fails puts its users on a local list, and the cache is not used for them until a later one succeeds. What was lost
/// is sent again by itself, after a second and then with growing pauses. Nobody knows what an earlier process had on
/// such a list: before its first read a new one ends the epoch that it found.
class inventory_cache {
 public:
  /// Reads the database. A refusal (no such user) is passed on and not cached.
  using loader = std::function<net::task<result<inventory_snapshot>>()>;

  /// `redis` (nullptr: no cache, every read is a load) must outlive this and belong to the same thread.
  inventory_cache(net::executor ex, redis::client* redis, inventory_cache_options how);
  ~inventory_cache();
  inventory_cache(const inventory_cache&) = delete;
  inventory_cache& operator=(const inventory_cache&) = delete;

  /// The user's inventory from the cache, or from `load`. Loads of one user that would run at once are merged: every
  /// caller gets the outcome of a load that began after its call, exceptions too. Throws wait_error when `until` passes
  /// while another's load is awaited; a load itself must keep its own deadline.
  net::task<result<inventory_read>> get(user_id user, net::deadline until, loader load);

  /// These users have changed in the database. Call before anybody is told of the change; the deletion is on its way
  /// to Redis when this returns, ahead of every later read.
  void invalidate(std::span<const user_version> changed);

  /// The commit that would give these users these versions may have happened, or may yet happen. As invalidate(), and
  /// nothing older than these versions is stored, by any process, or served here, until the doubt has ended: by
  /// invalidate() for the user, because the commit of a later version means that this one is over, or because that
  /// version or a later one has come into the cache.
  void invalidate_in_doubt(std::span<const user_version> perhaps_changed);

  /// Makes all values of all users worthless, in all processes: one write. `epoch` (1 to 64 visible ASCII characters
  /// without '~', e.g. a date) names the occasion: a second call with the same epoch does nothing. False when Redis
  /// could not be reached; call again then.
  net::task<bool> reset(std::string epoch);

  /// From now on lost invalidations are not repeated any more, so that no timer keeps the event loop busy.
  void stop();

 private:
  class impl;
  std::shared_ptr<impl> impl_;
};

/// Makes all that is cached under `prefix` worthless, in all processes, and then deletes it: inventories and the
/// popular products. Fences of commits in doubt stay. Gives the number of inventories that were looked at, nullopt when
/// Redis did not answer or refused a command. Copies that processes keep of the popular products live on.
net::task<std::optional<std::int64_t>> drop_everything(redis::client& redis, std::string prefix);

}  // namespace coffer::cache
