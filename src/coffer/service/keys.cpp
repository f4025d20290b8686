#include "coffer/service/keys.hpp"

namespace coffer::service {

net::task<result<made_key>> make_key(pg::connection& db, std::string name, auth::key_kind kind, auth::scope_set scopes,
                                     std::optional<timestamp> expires_at, net::deadline until) {
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

net::task<written<made_key>> keys::create(std::string name, auth::key_kind kind, auth::scope_set scopes,
                                          std::optional<timestamp> expires_at, std::optional<keyed<made_key>> under,
                                          net::deadline until) {
  const auto work = [name, kind, scopes, expires_at, until](pg::connection& db) {
    return make_key(db, name, kind, scopes, expires_at, until);
  };
  written<made_key> made = co_await write_once(db_, std::move(under), until, work);
  if (made.applied()) {
    changed_();
  }
  co_return made;
}

net::task<std::vector<store::key_row>> keys::list(net::deadline until) {
  const auto work = [until](pg::connection& db) { return store::list_keys(db, until); };
  co_return co_await with_connection(db_, until, true, work);
}

namespace {

net::task<result<store::key_row>> revoke_found(pg::connection& db, std::int64_t id, net::deadline until) {
  std::optional<store::key_row> row = co_await store::revoke_key(db, id, until);
  if (!row) {
    co_return std::unexpected(error{errc::not_found, "There is no key with this id."});
  }
  co_return *std::move(row);
}

}  // namespace

net::task<written<store::key_row>> keys::revoke(std::int64_t id, std::optional<keyed<store::key_row>> under,
                                                net::deadline until) {
  const auto work = [id, until](pg::connection& db) { return revoke_found(db, id, until); };
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

net::task<std::optional<auth::key_record>> keys::find(sha256_digest digest, net::deadline until) {
  look_ups::loader load = [this, digest, until] { return look_up(digest, until); };
  try {
    co_return co_await look_ups_.run(digest, until, std::move(load));
  } catch (const cache::wait_error& e) {
    throw pg::error{pg::failure::exhausted, e.what()};
  }
}

net::task<std::optional<auth::key_record>> keys::look_up(sha256_digest digest, net::deadline until) {
  const auto work = [digest, until](pg::connection& db) { return store::find_key(db, digest, until); };
  co_return co_await with_connection(db_, until, true, work);
}

}  // namespace coffer::service
