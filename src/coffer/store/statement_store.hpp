// A stretch of one user's journal, oldest first, with the names of the products.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coffer/domain/transaction.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/store/version_range.hpp"

namespace coffer::store {

/// A journal row as a statement shows it.
struct statement_row {
  domain::transaction row;
  std::string product_name;  ///< empty without product
};

/// The rows of `user` that were written from `from` on and before `to` (nullopt: no bound). Found by bisection, which
/// reads a few dozen rows however long the history is: versions and times of one user grow together. nullopt when there
/// is no such user. Throws std::runtime_error when a version is missing.
net::task<std::optional<version_range>> find_period(pg::connection& db, user_id user, std::optional<timestamp> from,
                                                    std::optional<timestamp> to, net::deadline until);

/// The balance right after the row `at`; 0 credits before the first row.
net::task<domain::credits> balance_at(pg::connection& db, user_id user, version at, net::deadline until);

/// The rows of `range` in order.
net::task<std::vector<statement_row>> read_statement(pg::connection& db, user_id user, version_range range,
                                                     net::deadline until);

}  // namespace coffer::store
