// Account statements: a period of a user's journal with the balances before and after it.
#pragma once

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "coffer/base/error.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/account_statement_store.hpp"

namespace coffer::service {

/// What an account statement shows.
struct account_statement_query {
  user_id user;
  std::optional<timestamp> from;      ///< rows written at or after it
  std::optional<timestamp> to;        ///< rows written before it
  std::optional<version> after;       ///< rows behind this version only
  std::optional<std::int64_t> limit;  ///< rows at most
};

/// An account statement without its rows. The journal only grows, so the rows stay what they are while they are read.
struct account_statement {
  user_id user;
  store::version_range range;
  domain::credits opening;  ///< balance before the first row
  domain::credits closing;  ///< balance after the last row
  bool more = false;        ///< the period goes on behind the limit
};

/// One instance per thread. Throws pg::error for infrastructure failures.
class account_statements {
 public:
  /// Rows that read() gives at most.
  static constexpr std::int64_t page = 500;

  explicit account_statements(pg::pool& db) : db_{db} {}

  /// Refusal: user_not_found.
  net::task<result<account_statement>> open(account_statement_query query, net::deadline until);

  /// The rows of `s` from version `from` on, at most one page. Throws std::runtime_error when the journal has a gap.
  net::task<std::vector<store::account_statement_row>> read(account_statement s, version from, net::deadline until);

 private:
  net::task<domain::credits> balance(user_id user, version at, net::deadline until);

  pg::pool& db_;
};

inline net::task<domain::credits> account_statements::balance(user_id user, version at, net::deadline until) {
  const auto work = [user, at, until](pg::connection& db) { return store::balance_at(db, user, at, until); };
  co_return co_await with_connection(db_, until, true, work);
}

inline net::task<result<account_statement>> account_statements::open(account_statement_query query,
                                                                     net::deadline until) {
  const auto work = [query, until](pg::connection& db) {
    return store::find_period(db, query.user, query.from, query.to, until);
  };
  const std::optional<store::version_range> period = co_await with_connection(db_, until, true, work);
  if (!period) {
    co_return std::unexpected(error{errc::user_not_found});
  }
  account_statement s;
  s.user = query.user;
  s.range = *period;
  if (query.after) {
    s.range.first = version{std::max(s.range.first.value, query.after->value + 1)};
  }
  if (query.limit && s.range.last.value - s.range.first.value >= *query.limit) {
    s.range.last = version{s.range.first.value + *query.limit - 1};
    s.more = true;
  }
  s.range.last = version{std::max(s.range.last.value, s.range.first.value - 1)};
  s.opening = co_await balance(s.user, version{s.range.first.value - 1}, until);
  s.closing = co_await balance(s.user, s.range.last, until);
  co_return s;
}

inline net::task<std::vector<store::account_statement_row>> account_statements::read(account_statement s, version from,
                                                                                     net::deadline until) {
  const store::version_range part{from, version{std::min(s.range.last.value, from.value + page - 1)}};
  const user_id user = s.user;
  const auto work = [user, part, until](pg::connection& db) {
    return store::read_account_statement(db, user, part, until);
  };
  std::vector<store::account_statement_row> rows = co_await with_connection(db_, until, true, work);
  if (std::ssize(rows) != part.last.value - part.first.value + 1) {
    throw std::runtime_error(
        fmt::format("user {} has no versions {} to {}", user.value, part.first.value, part.last.value));
  }
  co_return rows;
}

}  // namespace coffer::service
