// A stretch of one user's journal, oldest first, with the names of the products.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "coffer/domain/transaction.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/store/transaction_row.hpp"
#include "coffer/store/version_range.hpp"

namespace coffer::store {

/// A journal row as an account statement shows it.
struct account_statement_row {
  domain::transaction row;
  std::string product_name;  ///< empty without product
};

namespace detail {

// Bisects for the first version at or after each of two times. The versions are dense, so the middle one is there.
inline constexpr pg::statement bisect_period{
    "statement_period",
    "with recursive bisect (bound, wanted, low, high) as ("
    " select b.bound, b.wanted, 1::bigint, u.version + 1 from users u,"
    " (values (1, coalesce($2, '-infinity'::timestamptz)), (2, coalesce($3, 'infinity'::timestamptz)))"
    " as b (bound, wanted) where u.id = $1"
    " union all select b.bound, b.wanted,"
    " case when t.created_at < b.wanted then t.version + 1 else b.low end,"
    " case when t.created_at < b.wanted then b.high else t.version end"
    " from bisect b join transactions t on t.user_id = $1 and t.version = (b.low + b.high) / 2 where b.low < b.high)"
    " select low from bisect where low = high order by bound"};

inline constexpr pg::statement select_balance{
    "statement_balance", "select balance_after from transactions where user_id = $1 and version = $2"};

// The name comes last: read_transaction() knows the columns before it.
inline constexpr pg::statement select_account_statement_rows{
    "statement_rows", "select" COFFER_TRANSACTION_COLUMNS
                      ", p.name from transactions t left join products p on p.id = t.product_id"
                      " where t.user_id = $1 and t.version between $2 and $3 order by t.version"};

}  // namespace detail

/// The rows of `user` that were written from `from` on and before `to` (nullopt: no bound). Found by bisection, which
/// reads a few dozen rows however long the history is: versions and times of one user grow together. nullopt when there
/// is no such user. Throws std::runtime_error when a version is missing.
inline net::task<std::optional<version_range>> find_period(pg::connection& db, user_id user,
                                                           std::optional<timestamp> from, std::optional<timestamp> to,
                                                           net::deadline until) {
  const pg::rows bounds = co_await db.query(detail::bisect_period, pg::params::of(user, from, to), until);
  if (bounds.empty()) {
    co_return std::nullopt;
  }
  if (bounds.size() != 2) {
    throw std::runtime_error(fmt::format("the journal of user {} has a gap", user.value));
  }
  co_return version_range{version{bounds.int64(0, 0)}, version{bounds.int64(1, 0) - 1}};
}

/// The balance right after the row `at`; 0 credits before the first row.
inline net::task<domain::credits> balance_at(pg::connection& db, user_id user, version at, net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_balance, pg::params::of(user, at), until);
  co_return domain::credits{found.empty() ? 0 : found.int64(0, 0)};
}

/// The rows of `range` in order.
inline net::task<std::vector<account_statement_row>> read_account_statement(pg::connection& db, user_id user,
                                                                            version_range range, net::deadline until) {
  const pg::rows found =
      co_await db.query(detail::select_account_statement_rows, pg::params::of(user, range.first, range.last), until);
  std::vector<account_statement_row> page;
  page.reserve(static_cast<std::size_t>(found.size()));
  const int name = found.columns() - 1;
  for (int r = 0; r < found.size(); ++r) {
    page.push_back({read_transaction(found, r), std::string{found.optional_text(r, name).value_or("")}});
  }
  co_return page;
}

}  // namespace coffer::store
