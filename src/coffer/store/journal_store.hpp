// Reads of the journal: single rows and pages of one user's history.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coffer/domain/transaction.hpp"
#include "coffer/pg/pool.hpp"

namespace coffer::store {

/// Which rows of a user's history a page shows.
struct history_query {
  user_id user;
  std::optional<version> before;  ///< rows with a smaller version; none: from the newest on
  std::optional<domain::transaction_kind> kind;
  std::optional<domain::transaction_status> status;
  std::optional<domain::actor> by;  ///< who asked; actor{}: nobody who is known
  std::int64_t limit = 50;
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

/// Rows newest first; nullopt when there is no such user. One query.
net::task<std::optional<std::vector<domain::transaction>>> list_transactions(pg::connection& db, history_query query,
                                                                             net::deadline until);

}  // namespace coffer::store
