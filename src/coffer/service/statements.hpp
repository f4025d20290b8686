// Account statements: a period of a user's journal with the balances before and after it.
#pragma once

#include <optional>
#include <vector>

#include "coffer/base/error.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/statement_store.hpp"

namespace coffer::service {

/// What a statement shows.
struct statement_query {
  user_id user;
  std::optional<timestamp> from;      ///< rows written at or after it
  std::optional<timestamp> to;        ///< rows written before it
  std::optional<version> after;       ///< rows behind this version only
  std::optional<std::int64_t> limit;  ///< rows at most
};

/// A statement without its rows. The journal only grows, so the rows stay what they are while they are read.
struct statement {
  user_id user;
  store::version_range range;
  domain::credits opening;  ///< balance before the first row
  domain::credits closing;  ///< balance after the last row
  bool more = false;        ///< the period goes on behind the limit
};

/// One instance per thread. Throws pg::error for infrastructure failures.
class statements {
 public:
  /// Rows that read() gives at most.
  static constexpr std::int64_t page = 500;

  explicit statements(pg::pool& db) : db_{db} {}

  /// Refusal: user_not_found.
  net::task<result<statement>> open(statement_query query, net::deadline until);

  /// The rows of `s` from version `from` on, at most one page. Throws std::runtime_error when the journal has a gap.
  net::task<std::vector<store::statement_row>> read(statement s, version from, net::deadline until);

 private:
  net::task<domain::credits> balance(user_id user, version at, net::deadline until);

  pg::pool& db_;
};

}  // namespace coffer::service
