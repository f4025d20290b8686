// Idempotency keys of the writes that are not in the journal, with the answers that were given.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "coffer/domain/transaction.hpp"
#include "coffer/pg/connection.hpp"

namespace coffer::store {

/// A request that wants to be recognised by its key.
struct request_key {
  std::string key;
  std::string operation;  ///< for people who look at the table
  domain::fingerprint print{};
  std::string request_id;
  domain::actor by;
};

/// An answer as it was given.
struct recorded_answer {
  int status = 0;
  std::string headers;  ///< "Name: value" lines
  std::string body;
};

/// What stands under a key.
struct request_claim {
  bool taken = false;   ///< it was free: the caller's transaction holds it now and must record an answer, or roll back
  bool reused = false;  ///< it belongs to another request
  bool own = false;     ///< it was recorded by this very request, whose commit seemed lost
  recorded_answer answer;
};

namespace detail {
inline constexpr pg::statement begin_claim{"request_key_begin", "begin"};
// Waits for whoever holds the key: a twin sees what became of the first.
inline constexpr pg::statement insert_claim{
    "request_key_claim",
    "insert into request_keys (idempotency_key, by_player, operation, fingerprint, request_id, actor)"
    " values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning 1"};
// Locks, so that the commit which ends a replay is behind the row's own, wherever standbys must have that.
inline constexpr pg::statement select_answer{"request_key_find",
                                             "select fingerprint, request_id, status, headers, body from request_keys"
                                             " where idempotency_key = $1 and by_player = $2 for no key update"};
inline constexpr pg::statement record_answer{
    "request_key_record",
    "update request_keys set status = $3, headers = $4, body = $5 where idempotency_key = $1 and by_player = $2"};
inline constexpr pg::statement end_claim{"request_key_end", "commit"};

inline std::string_view bytes_of(const domain::fingerprint& print) {
  return {reinterpret_cast<const char*>(print.data()), print.size()};
}
}  // namespace detail

/// Opens a transaction and claims the key in it. Unless it was free, the caller ends the transaction with end_replay().
/// Nullopt: the row went away in between, which only an operator's clean-up does; try again. Throws pg::error.
inline net::task<std::optional<request_claim>> claim_key(pg::connection& db, request_key wanted, net::deadline until) {
  const bool by_player = wanted.by.is_player();
  pg::params row;
  row.add(wanted.key).add(by_player).add(wanted.operation).add_bytes(detail::bytes_of(wanted.print));
  row.add(wanted.request_id).add(wanted.by.stored());
  pg::pipeline p;
  p.add(detail::begin_claim);
  p.add(detail::insert_claim, std::move(row));
  p.add(detail::select_answer, pg::params::of(wanted.key, by_player));
  const std::vector<pg::rows> results = co_await db.run(std::move(p), until);
  const pg::rows& found = results.at(2);
  request_claim claim;
  claim.taken = !results.at(1).empty();
  if (claim.taken) {
    co_return claim;
  }
  if (found.empty()) {
    co_return std::nullopt;
  }
  claim.reused = found.bytes(0, 0) != detail::bytes_of(wanted.print);
  claim.own = found.text(0, 1) == wanted.request_id;
  claim.answer.status = found.int16(0, 2);
  claim.answer.headers = std::string{found.optional_text(0, 3).value_or("")};
  claim.answer.body = std::string{found.optional_text(0, 4).value_or("")};
  co_return claim;
}

/// Records the answer under the key that this transaction has claimed, and commits.
inline net::task<> end_write(pg::connection& db, request_key wanted, recorded_answer given, net::deadline until) {
  pg::params with;
  with.add(wanted.key).add(wanted.by.is_player()).add(static_cast<std::int16_t>(given.status));
  with.add(given.headers).add(given.body);
  pg::pipeline p;
  p.add(detail::record_answer, std::move(with));
  p.add(detail::end_claim);
  co_await db.run(std::move(p), until);
}

/// Commits, so that what is replayed is where the standbys must have it.
inline net::task<> end_replay(pg::connection& db, net::deadline until) { co_await db.execute("commit", until); }

}  // namespace coffer::store
