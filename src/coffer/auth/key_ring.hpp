// The server keys that are in force, in memory: a key is checked without asking the database.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "coffer/auth/api_key.hpp"
#include "coffer/auth/scope.hpp"
#include "coffer/base/clock.hpp"

namespace coffer::auth {

/// Digests are as good as random already.
struct digest_hash {
  std::size_t operator()(const sha256_digest& d) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, d.data(), sizeof value);
    return value;
  }
};

/// A key in force, as stored.
struct key_record {
  std::int64_t id = 0;
  key_kind kind = key_kind::live;
  scope_set scopes;
  std::optional<timestamp> expires_at;
  sha256_digest digest{};
};

/// When a key was last used, to the second. Shared by all threads that use the key, also over refreshes.
class key_use {
 public:
  /// Notes a use. Writes at most once a second, so that threads do not fight for the cache line.
  void note(std::chrono::sys_seconds now) noexcept {
    const std::int64_t second = now.time_since_epoch().count();
    if (at_.load(std::memory_order_relaxed) < second) {
      at_.store(second, std::memory_order_relaxed);
    }
  }
  /// The last use since the process began; nullopt: none.
  [[nodiscard]] std::optional<timestamp> at() const noexcept {
    const std::int64_t second = at_.load(std::memory_order_relaxed);
    return second == 0 ? std::nullopt : std::optional{timestamp{std::chrono::seconds{second}}};
  }

 private:
  std::atomic<std::int64_t> at_ = 0;
};

/// Keys by digest. Immutable but for the uses; shared by all threads. A look-up compares digests of what was sent, so
/// that its time tells nothing about the keys themselves.
class key_set {
 public:
  struct entry {
    key_record key;
    std::shared_ptr<key_use> use;
  };

  key_set() = default;
  /// The records; the uses of keys that `before` has already go on.
  key_set(const std::vector<key_record>& records, const key_set& before);

  [[nodiscard]] const entry* find(const sha256_digest& digest) const;
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

  /// The last uses that were noted later than `since`: key and time.
  [[nodiscard]] std::vector<std::pair<std::int64_t, timestamp>> used_since(timestamp since) const;

 private:
  std::unordered_map<sha256_digest, entry, digest_hash> keys_;
};

/// One thread's view: the shared set, and what the thread has looked up since the set was made.
class key_ring {
 public:
  using clock = std::chrono::steady_clock;

  /// How long a digest that the database does not know stays unknown without asking again.
  static constexpr std::chrono::seconds unknown_for{2};
  /// How many digests of either kind are remembered; beyond, all of that kind are forgotten.
  static constexpr std::size_t capacity = 4096;

  /// What is known of a digest.
  struct answer {
    const key_set::entry* key = nullptr;  ///< in force; valid until the ring changes
    bool unknown = false;                 ///< the database said lately that there is no such key
  };

  [[nodiscard]] answer find(const sha256_digest& digest, clock::time_point now) const;

  /// From now on the keys are these; what was looked up is forgotten.
  void replace(std::shared_ptr<const key_set> with);
  /// A key that the database knows and the set does not yet.
  const key_set::entry* remember(const key_record& found);
  /// The database has no such key in force.
  void remember_unknown(const sha256_digest& digest, clock::time_point now);

 private:
  std::shared_ptr<const key_set> shared_ = std::make_shared<const key_set>();
  std::unordered_map<sha256_digest, key_set::entry, digest_hash> own_;  ///< looked up since
  std::unordered_map<sha256_digest, clock::time_point, digest_hash> unknown_until_;
};

inline key_set::key_set(const std::vector<key_record>& records, const key_set& before) {
  keys_.reserve(records.size());
  for (const key_record& record : records) {
    const entry* const known = before.find(record.digest);
    auto use = known != nullptr ? known->use : std::make_shared<key_use>();
    keys_.emplace(record.digest, entry{record, std::move(use)});
  }
}

inline const key_set::entry* key_set::find(const sha256_digest& digest) const {
  const auto found = keys_.find(digest);
  return found == keys_.end() ? nullptr : &found->second;
}

inline std::vector<std::pair<std::int64_t, timestamp>> key_set::used_since(timestamp since) const {
  std::vector<std::pair<std::int64_t, timestamp>> uses;
  for (const auto& [digest, each] : keys_) {
    const auto at = each.use->at();
    if (at && *at > since) {
      uses.emplace_back(each.key.id, *at);
    }
  }
  return uses;
}

inline key_ring::answer key_ring::find(const sha256_digest& digest, clock::time_point now) const {
  if (const key_set::entry* const shared = shared_->find(digest)) {
    return {shared, false};
  }
  if (const auto own = own_.find(digest); own != own_.end()) {
    return {&own->second, false};
  }
  const auto unknown = unknown_until_.find(digest);
  return {nullptr, unknown != unknown_until_.end() && now < unknown->second};
}

inline void key_ring::replace(std::shared_ptr<const key_set> with) {
  shared_ = std::move(with);
  own_.clear();
}

inline const key_set::entry* key_ring::remember(const key_record& found) {
  if (own_.size() >= capacity) {
    own_.clear();
  }
  unknown_until_.erase(found.digest);
  return &own_.insert_or_assign(found.digest, key_set::entry{found, std::make_shared<key_use>()}).first->second;
}

inline void key_ring::remember_unknown(const sha256_digest& digest, clock::time_point now) {
  if (unknown_until_.size() >= capacity) {
    unknown_until_.clear();
  }
  unknown_until_.insert_or_assign(digest, now + unknown_for);
}

}  // namespace coffer::auth
