// Server keys: making, listing and revoking them, and the look-up of one that a server has not seen yet.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coffer/auth/key_ring.hpp"
#include "coffer/cache/shared_load.hpp"
#include "coffer/service/once.hpp"
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
  net::task<written<made_key>> create(std::string name, auth::key_kind kind, auth::scope_set scopes,
                                      std::optional<timestamp> expires_at, std::optional<keyed<made_key>> under,
                                      net::deadline until);
  net::task<std::vector<store::key_row>> list(net::deadline until);
  /// Refusal: not_found.
  net::task<written<store::key_row>> revoke(std::int64_t id, std::optional<keyed<store::key_row>> under,
                                            net::deadline until);
  /// The key with this digest if it is in force. Who asks while it is looked for gets the outcome of that look-up.
  net::task<std::optional<auth::key_record>> find(sha256_digest digest, net::deadline until);
  /// Whether it is looked for now.
  [[nodiscard]] bool looks_for(const sha256_digest& digest) const { return look_ups_.loads(digest); }

 private:
  using look_ups = cache::shared_load<sha256_digest, std::optional<auth::key_record>, auth::digest_hash>;
  /// Waiting for one look-up, per thread: more than there are connections by default.
  static constexpr std::size_t max_waiting = 4096;

  net::task<std::optional<auth::key_record>> look_up(sha256_digest digest, net::deadline until);

  pg::pool& db_;
  std::function<void()> changed_;
  look_ups look_ups_{max_waiting};
};

}  // namespace coffer::service
