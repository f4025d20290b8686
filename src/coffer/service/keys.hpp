// Server keys: making, listing and revoking them, and the look-up of one that a server has not seen yet.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coffer/service/database.hpp"
#include "coffer/store/keys_store.hpp"

namespace coffer::service {

/// A new key: the only moment in which its text exists.
struct made_key {
  store::key_row row;
  std::string text;
};

/// Makes a key and stores its digest. Refusal: limit_reached. `db` is for this call alone; also for the command line.
net::task<result<made_key>> make_key(pg::connection& db, std::string name, auth::key_kind kind, auth::scope_set scopes,
                                     std::optional<timestamp> expires_at, net::deadline until);

/// One instance per thread. Throws pg::error for infrastructure failures.
class keys {
 public:
  /// `changed` is called after a key was made or revoked here.
  keys(pg::pool& db, std::function<void()> changed) : db_{db}, changed_{std::move(changed)} {}

  /// Refusal: limit_reached.
  net::task<result<made_key>> create(std::string name, auth::key_kind kind, auth::scope_set scopes,
                                     std::optional<timestamp> expires_at, net::deadline until);
  net::task<std::vector<store::key_row>> list(net::deadline until);
  /// Nullopt: there is no such key.
  net::task<std::optional<store::key_row>> revoke(std::int64_t id, net::deadline until);
  /// The key with this digest if it is in force.
  net::task<std::optional<auth::key_record>> find(sha256_digest digest, net::deadline until);

 private:
  pg::pool& db_;
  std::function<void()> changed_;
};

}  // namespace coffer::service
