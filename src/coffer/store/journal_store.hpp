// Reads of the journal: single rows and pages of one user's history.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "coffer/domain/transaction.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/store/transaction_row.hpp"

namespace coffer::store {

/// The most rows that a page looks at, matching or not.
inline constexpr std::int64_t history_walk = 5000;

// One row of NULLs for a user without matching rows, none for an unknown user. Versions are dense, so the bounds on
// them are a bound on the rows that are walked, however few of them match.
inline constexpr pg::statement select_transaction_page{
    "journal_list",
    "select" COFFER_TRANSACTION_COLUMNS
    ", u.top from (select coalesce($2::bigint, version + 1) as top from users where id = $1) u"
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

namespace detail {

inline constexpr pg::statement select_row{
    "journal_find", "select" COFFER_TRANSACTION_COLUMNS " from transactions t where t.user_id = $1 and t.version = $2"};

// One row of NULLs for a user without this key, none for an unknown user.
inline constexpr pg::statement select_keyed{
    "journal_outcome",
    "select" COFFER_TRANSACTION_COLUMNS
    " from users u left join transactions t on t.user_id = $1 and t.idempotency_key collate \"C\" = $2"
    " and (t.actor is not distinct from 0) = $3 where u.id = $1"};

inline constexpr pg::statement begin_settling{"journal_settle", "begin"};

inline constexpr pg::statement lock_user{"journal_lock_user",
                                         "select id from users where id = $1 for no key update skip locked"};
inline constexpr pg::statement end_settling{"journal_settled", "commit"};

inline pg::params keyed_params(const domain::key_place& place) {
  return pg::params::of(place.user, place.key, place.by_player);
}

/// The row that select_keyed found.
inline result<domain::transaction> read_outcome(const pg::rows& found) {
  if (found.empty()) {
    return std::unexpected(error{errc::user_not_found});
  }
  if (found.is_null(0, 0)) {
    return std::unexpected(error{errc::transaction_not_found, "Nothing has been decided under this key so far."});
  }
  return read_transaction(found, 0);
}

template <typename Enum>
std::optional<std::int16_t> stored(std::optional<Enum> value) {
  return value ? std::optional{static_cast<std::int16_t>(*value)} : std::nullopt;
}

}  // namespace detail

/// The row, or nullopt.
inline net::task<std::optional<domain::transaction>> find_transaction(pg::connection& db, user_id user, version at,
                                                                      net::deadline until) {
  pg::params with;
  with.add(user).add(at);
  const pg::rows found = co_await db.query(detail::select_row, std::move(with), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  co_return read_transaction(found, 0);
}

/// What became of the key of a place, whose text must outlive the task. Refusals: user_not_found,
/// transaction_not_found. One query.
inline net::task<result<domain::transaction>> find_outcome(pg::connection& db, domain::key_place place,
                                                           net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_keyed, detail::keyed_params(place), until);
  co_return detail::read_outcome(found);
}

/// As find_outcome(), for a key that a lost commit may have or get a row for: the user's row is locked first, so that
/// nothing is under way any more when there is no row. idempotency_in_progress when somebody else holds it. Commits, so
/// that a row is where the standbys must have it.
inline net::task<result<domain::transaction>> settle_outcome(pg::connection& db, domain::key_place place,
                                                             net::deadline until) {
  pg::pipeline question;
  question.add(detail::begin_settling);
  question.add(detail::lock_user, pg::params::of(place.user));
  question.add(detail::select_keyed, detail::keyed_params(place));
  question.add(detail::end_settling);
  const std::vector<pg::rows> results = co_await db.run(std::move(question), until);
  const pg::rows& found = results.at(2);
  if (results.at(1).empty() && !found.empty()) {
    co_return std::unexpected(error{errc::idempotency_in_progress});
  }
  co_return detail::read_outcome(found);
}

/// A page; nullopt when there is no such user. One query.
inline net::task<std::optional<history_page>> list_transactions(pg::connection& db, history_query query,
                                                                net::deadline until) {
  pg::params with;
  with.add(query.user).add(query.before).add(detail::stored(query.kind)).add(detail::stored(query.status));
  with.add(query.by.has_value()).add(query.by.value_or(domain::actor{}).stored());
  with.add(query.limit + 1).add(history_walk);  // one more tells whether there is a next page
  const pg::rows found = co_await db.query(select_transaction_page, std::move(with), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  const std::int64_t walked_to = found.int64(0, found.columns() - 1) - history_walk;
  history_page page{.rows = {}, .next = version{std::max<std::int64_t>(walked_to, 1)}};
  if (!found.is_null(0, 0)) {
    page.rows.reserve(static_cast<std::size_t>(found.size()));
    for (int row = 0; row < found.size(); ++row) {
      page.rows.push_back(read_transaction(found, row));
    }
  }
  if (std::ssize(page.rows) > query.limit) {
    page.rows.pop_back();
    page.next = page.rows.back().at;
  }
  page.next.value -= page.next.value == 1 ? 1 : 0;  // nothing comes before the first row
  co_return page;
}

}  // namespace coffer::store
