// Server keys as rows. Knows digests, never keys.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coffer/auth/key_ring.hpp"
#include "coffer/base/assert.hpp"
#include "coffer/base/error.hpp"
#include "coffer/pg/connection.hpp"
#include "coffer/store/write_frame.hpp"

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

namespace detail {

// Two insertions at once would both find room.
inline constexpr pg::statement take_turn{"key_take_turn",
                                         "select pg_advisory_xact_lock(hashtextextended('coffer keys', 0))"};

inline constexpr pg::statement insert_key_row{
    "key_insert",
    "insert into api_keys (id, name, digest, hint, scopes, is_test, created_at, expires_at)"
    " select nextval('api_key_ids'), $1, $2, $3, $4, $5, now(), $6"
    " where (select count(*) from api_keys where revoked_at is null and (expires_at is null or expires_at > now()))"
    " < $7"
    " returning id, name, is_test, scopes, hint, created_at, expires_at, revoked_at, last_used_at"};

inline constexpr pg::statement select_key_rows{
    "key_list",
    "select id, name, is_test, scopes, hint, created_at, expires_at, revoked_at, last_used_at from api_keys"
    " order by id desc limit $1"};

inline constexpr pg::statement revoke_row{
    "key_revoke",
    "update api_keys set revoked_at = coalesce(revoked_at, now()) where id = $1"
    " returning id, name, is_test, scopes, hint, created_at, expires_at, revoked_at, last_used_at"};

inline constexpr pg::statement select_in_force{
    "key_load",
    "select id, is_test, scopes, expires_at, digest from api_keys"
    " where revoked_at is null and (expires_at is null or expires_at > now())"};

inline constexpr pg::statement use_row{
    "key_find",
    "update api_keys set last_used_at = now()"
    " where digest = $1 and revoked_at is null and (expires_at is null or expires_at > now())"
    " returning id, is_test, scopes, expires_at, digest"};

inline constexpr pg::statement update_uses{
    "key_note_uses",
    "update api_keys k set last_used_at = greatest(k.last_used_at, new.at)"
    " from (select unnest($1) as id, unnest($2) as at) as new where k.id = new.id"};

inline auth::key_kind kind_of(bool is_test) { return is_test ? auth::key_kind::test : auth::key_kind::live; }

inline key_row read_row(const pg::rows& found, int row) {
  return {.id = found.int64(row, 0),
          .name = std::string{found.text(row, 1)},
          .kind = kind_of(found.boolean(row, 2)),
          .scopes = auth::known_scopes(found.text(row, 3)),
          .hint = std::string{found.text(row, 4)},
          .created_at = found.time(row, 5),
          .expires_at = found.optional_time(row, 6),
          .revoked_at = found.optional_time(row, 7),
          .last_used_at = found.optional_time(row, 8)};
}

inline auth::key_record read_record(const pg::rows& found, int row) {
  auth::key_record key{.id = found.int64(row, 0),
                       .kind = kind_of(found.boolean(row, 1)),
                       .scopes = auth::known_scopes(found.text(row, 2)),
                       .expires_at = found.optional_time(row, 3),
                       .digest = {}};
  const std::string_view digest = found.bytes(row, 4);
  // One of another length is of a newer version, and equals none that is shown.
  std::memcpy(key.digest.data(), digest.data(), std::min(digest.size(), key.digest.size()));
  return key;
}

inline std::string_view bytes_of(const sha256_digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace detail

/// Stores a key. Refusal: too_many_keys, when max_keys are in force.
inline net::task<result<key_row>> insert_key(pg::connection& db, new_key wanted, net::deadline until) {
  pg::params row;
  row.add(wanted.name).add_bytes(detail::bytes_of(wanted.digest)).add(wanted.hint).add(auth::to_string(wanted.scopes));
  row.add(wanted.kind == auth::key_kind::test).add(wanted.expires_at).add(max_keys);
  const write_frame frame{db};
  pg::pipeline p;
  p.add(frame.begin());
  p.add(detail::take_turn);
  p.add(detail::insert_key_row, std::move(row));
  p.add(frame.end());
  const std::vector<pg::rows> results = co_await db.run(std::move(p), until);
  if (results.at(2).empty()) {
    co_return std::unexpected(
        error{errc::too_many_keys, "There are 1000 keys in force already. Revoke those that nobody uses."});
  }
  co_return detail::read_row(results.at(2), 0);
}

/// The newest listed_keys keys, those out of force too.
inline net::task<std::vector<key_row>> list_keys(pg::connection& db, net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_key_rows, pg::params::of(listed_keys), until);
  co_return pg::read_all(found, detail::read_row);
}

/// Takes a key out of force; one that is stays as it was. Nullopt: there is no such key.
inline net::task<std::optional<key_row>> revoke_key(pg::connection& db, std::int64_t id, net::deadline until) {
  const pg::rows found = co_await db.query(detail::revoke_row, pg::params::of(id), until);
  co_return found.empty() ? std::nullopt : std::optional{detail::read_row(found, 0)};
}

/// All keys in force.
inline net::task<std::vector<auth::key_record>> load_keys(pg::connection& db, net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_in_force, pg::params{}, until);
  co_return pg::read_all(found, detail::read_record);
}

/// The key with this digest if it is in force, and notes that it is used.
inline net::task<std::optional<auth::key_record>> find_key(pg::connection& db, sha256_digest digest,
                                                           net::deadline until) {
  pg::params with;
  with.add_bytes(detail::bytes_of(digest));
  const pg::rows found = co_await db.query(detail::use_row, std::move(with), until);
  co_return found.empty() ? std::nullopt : std::optional{detail::read_record(found, 0)};
}

/// Notes the last uses of keys; an older one than is stored changes nothing.
inline net::task<> note_key_uses(pg::connection& db, std::vector<std::pair<std::int64_t, timestamp>> uses,
                                 net::deadline until) {
  std::vector<std::int64_t> ids;
  std::vector<timestamp> times;
  for (const auto& [id, at] : uses) {
    ids.push_back(id);
    times.push_back(at);
  }
  pg::params with;
  with.add(ids).add(times);
  co_await db.query(detail::update_uses, std::move(with), until);
}

}  // namespace coffer::store
