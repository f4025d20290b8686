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

net::task<result<made_key>> keys::create(std::string name, auth::key_kind kind, auth::scope_set scopes,
                                         std::optional<timestamp> expires_at, net::deadline until) {
  const auto work = [name, kind, scopes, expires_at, until](pg::connection& db) {
    return make_key(db, name, kind, scopes, expires_at, until);
  };
  result<made_key> made = co_await with_connection(db_, until, false, work);
  if (made) {
    changed_();
  }
  co_return made;
}

net::task<std::vector<store::key_row>> keys::list(net::deadline until) {
  const auto work = [until](pg::connection& db) { return store::list_keys(db, until); };
  co_return co_await with_connection(db_, until, true, work);
}

net::task<std::optional<store::key_row>> keys::revoke(std::int64_t id, net::deadline until) {
  // Revoking twice is revoking once.
  const auto work = [id, until](pg::connection& db) { return store::revoke_key(db, id, until); };
  std::optional<store::key_row> row = co_await with_connection(db_, until, true, work);
  if (row) {
    changed_();
  }
  co_return row;
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
