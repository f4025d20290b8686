// Server keys as rows. Knows digests, never keys.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coffer/auth/key_ring.hpp"
#include "coffer/base/error.hpp"
#include "coffer/pg/connection.hpp"

namespace coffer::store {

/// How many keys may be in force at once: all of them are in every server's memory.
inline constexpr std::int64_t max_keys = 1000;

/// How many keys a list shows, the newest first.
inline constexpr std::int64_t listed_keys = 1000;

/// A key to be.
struct new_key {
  std::string name;
  auth::key_kind kind = auth::key_kind::live;
  auth::scope_set scopes;
  std::optional<timestamp> expires_at;
  sha256_digest digest{};
  std::string hint;
};

/// A key as people see it.
struct key_row {
  std::int64_t id = 0;
  std::string name;
  auth::key_kind kind = auth::key_kind::live;
  auth::scope_set scopes;
  std::string hint;
  timestamp created_at;
  std::optional<timestamp> expires_at;
  std::optional<timestamp> revoked_at;
  std::optional<timestamp> last_used_at;
};

/// Stores a key. Refusal: limit_reached, when max_keys are in force.
net::task<result<key_row>> insert_key(pg::connection& db, new_key wanted, net::deadline until);

/// The newest listed_keys keys, those out of force too.
net::task<std::vector<key_row>> list_keys(pg::connection& db, net::deadline until);

/// Takes a key out of force; one that is stays as it was. Nullopt: there is no such key.
net::task<std::optional<key_row>> revoke_key(pg::connection& db, std::int64_t id, net::deadline until);

/// All keys in force.
net::task<std::vector<auth::key_record>> load_keys(pg::connection& db, net::deadline until);

/// The key with this digest if it is in force, and notes that it is used.
net::task<std::optional<auth::key_record>> find_key(pg::connection& db, sha256_digest digest, net::deadline until);

/// Notes the last uses of keys; an older one than is stored changes nothing.
net::task<> note_key_uses(pg::connection& db, std::vector<std::pair<std::int64_t, timestamp>> uses,
                          net::deadline until);

}  // namespace coffer::store
