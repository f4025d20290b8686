// Reads of the journal: single rows and pages of one user's history.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coffer/domain/transaction.hpp"
#include "coffer/pg/pool.hpp"

namespace coffer::store {

/// The most rows that a page looks at, matching or not.
inline constexpr std::int64_t history_walk = 5000;

// One row of NULLs for a user without matching rows, none for an unknown user. Versions are dense, so the bounds on
// them are a bound on the rows that are walked, however few of them match.
inline constexpr pg::statement select_transaction_page{
    "journal_list",
    "select t.user_id, t.version, t.kind, t.status, t.product_id, t.quantity, t.amount, t.balance_after,"
    " t.item_quantity_after, t.reason, t.idempotency_key, t.fingerprint, t.request_id, t.created_at,"
    " t.detail_1, t.detail_2, t.note, t.actor, t.note_public, u.top"
    " from (select coalesce($2::bigint, version + 1) as top from users where id = $1) u"
    " left join lateral (select * from transactions where user_id = $1"
    " and version < u.top and version >= u.top - $8 and ($3::smallint is null or kind = $3)"
    " and ($4::smallint is null or status = $4)"
    " and (not $5::boolean or actor is not distinct from $6::bigint) order by version desc limit $7) t on true"
    " order by t.version desc"};

/// Which rows of a user's history a page shows.
struct history_query {
  user_id user;
  std::optional<version> before;  ///< rows with a smaller version; none: from the newest on
  std::optional<domain::transaction_kind> kind;
  std::optional<domain::transaction_status> status;
  std::optional<domain::actor> by;  ///< who asked; actor{}: nobody who is known
  std::int64_t limit = 50;
};

/// Rows newest first: fewer than asked for, even none, when the walk ended before there were enough.
struct history_page {
  std::vector<domain::transaction> rows;
  version next;  ///< the following page is of rows before it; 0: there is none
};

/// The row, or nullopt.
net::task<std::optional<domain::transaction>> find_transaction(pg::connection& db, user_id user, version at,
                                                               net::deadline until);

/// What became of the key of a place, whose text must outlive the task. Refusals: user_not_found,
/// transaction_not_found. One query.
net::task<result<domain::transaction>> find_outcome(pg::connection& db, domain::key_place place, net::deadline until);

/// As find_outcome(), for a key that a lost commit may have or get a row for: the user's row is locked first, so that
/// nothing is under way any more when there is no row. idempotency_in_progress when somebody else holds it. Commits, so
/// that a row is where the standbys must have it.
net::task<result<domain::transaction>> settle_outcome(pg::connection& db, domain::key_place place, net::deadline until);

/// A page; nullopt when there is no such user. One query.
net::task<std::optional<history_page>> list_transactions(pg::connection& db, history_query query, net::deadline until);

}  // namespace coffer::store
