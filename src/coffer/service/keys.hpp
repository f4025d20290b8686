// Server keys: making, listing and revoking them, and the look-up of one that a server has not seen yet.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coffer/auth/key_ring.hpp"
#include "coffer/cache/single_flight.hpp"
#include "coffer/service/once.hpp"
#include "coffer/store/keys_store.hpp"

namespace coffer::service {

/// A new key: the only moment in which its text exists.
struct made_key {
  store::key_row row;
  std::string text;
};

/// One instance per thread. Throws pg::error for infrastructure failures.
class keys {
 public:
  /// `changed` is called after a key was made or revoked here.
  keys(pg::pool& db, std::function<void()> changed) : db_{db}, changed_{std::move(changed)} {}

  /// Refusal: too_many_keys.
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
  using look_ups = cache::single_flight<sha256_digest, std::optional<auth::key_record>, auth::digest_hash>;
  /// Looking keys up, and waiting for another's look-up, per thread: more than there are connections by default.
  static constexpr std::size_t max_waiting = 4096;

  net::task<std::optional<auth::key_record>> look_up(sha256_digest digest, net::deadline until);

  pg::pool& db_;
  std::function<void()> changed_;
  look_ups look_ups_{cache::joins::running, max_waiting, max_waiting};
};

/// Makes a key and stores its digest. Refusal: too_many_keys. `db` is for this call alone; also for the command line.
inline net::task<result<made_key>> make_key(pg::connection& db, std::string name, auth::key_kind kind,
                                            auth::scope_set scopes, std::optional<timestamp> expires_at,
                                            net::deadline until) {
  std::string text = auth::make_key(kind);
  store::new_key wanted{.name = std::move(name),
                        .kind = kind,
                        .scopes = scopes,
                        .expires_at = expires_at,
                        .digest = sha256(text),
                        .hint = std::string{auth::hint_of(text)}};
  result<store::key_row> row = co_await store::insert_key(db, std::move(wanted), until);
  if (!row) {
    co_return std::unexpected(std::move(row).error());
  }
  co_return made_key{*std::move(row), std::move(text)};
}

inline net::task<written<made_key>> keys::create(std::string name, auth::key_kind kind, auth::scope_set scopes,
                                                 std::optional<timestamp> expires_at,
                                                 std::optional<keyed<made_key>> under, net::deadline until) {
  const auto work = [name, kind, scopes, expires_at, until](pg::connection& db) {
    return make_key(db, name, kind, scopes, expires_at, until);
  };
  written<made_key> made = co_await write_once(db_, std::move(under), until, work);
  if (made.applied()) {
    changed_();
  }
  co_return made;
}

inline net::task<std::vector<store::key_row>> keys::list(net::deadline until) {
  const auto work = [until](pg::connection& db) { return store::list_keys(db, until); };
  co_return co_await with_connection(db_, until, true, work);
}

namespace detail {

inline net::task<result<store::key_row>> revoke_found(pg::connection& db, std::int64_t id, net::deadline until) {
  std::optional<store::key_row> row = co_await store::revoke_key(db, id, until);
  if (!row) {
    co_return std::unexpected(error{errc::not_found, "There is no key with this id."});
  }
  co_return *std::move(row);
}

}  // namespace detail

inline net::task<written<store::key_row>> keys::revoke(std::int64_t id, std::optional<keyed<store::key_row>> under,
                                                       net::deadline until) {
  const auto work = [id, until](pg::connection& db) { return detail::revoke_found(db, id, until); };
  written<store::key_row> revoked;
  if (under) {
    revoked = co_await write_once(db_, std::move(under), until, work);
  } else {
    // Revoking twice is revoking once.
    revoked.outcome = co_await with_connection(db_, until, true, work);
  }
  if (revoked.applied()) {
    changed_();
  }
  co_return revoked;
}

inline net::task<std::optional<auth::key_record>> keys::find(sha256_digest digest, net::deadline until) {
  look_ups::loader load = [this, digest, until] { return look_up(digest, until); };
  try {
    co_return co_await look_ups_.run(digest, until, std::move(load));
  } catch (const cache::wait_error& e) {
    throw pg::error{pg::failure::exhausted, e.what()};
  }
}

inline net::task<std::optional<auth::key_record>> keys::look_up(sha256_digest digest, net::deadline until) {
  const auto work = [digest, until](pg::connection& db) { return store::find_key(db, digest, until); };
  co_return co_await with_connection(db_, until, true, work);
}

}  // namespace coffer::service
