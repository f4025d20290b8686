// A user's journal, for reading.
#pragma once

#include <variant>
#include <vector>

#include "coffer/base/error.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/inventory_store.hpp"
#include "coffer/store/journal_store.hpp"

namespace coffer::service {

/// One instance per thread. Throws pg::error for infrastructure failures.
class history {
 public:
  explicit history(pg::pool& db) : db_{db} {}

  /// Refusal: transaction_not_found.
  net::task<result<domain::transaction>> find(user_id user, version at, net::deadline until);

  /// What the user owned right after a version, or right after the last row written at or before a time. Refusals:
  /// user_not_found; invalid_parameter, without fields, when the version is beyond the newest one.
  net::task<result<store::inventory>> inventory_at(user_id user, std::variant<version, timestamp> when,
                                                   net::deadline until);

  /// Newest first. Refusal: user_not_found.
  net::task<result<store::history_page>> list(store::history_query query, net::deadline until);

 private:
  pg::pool& db_;
};

}  // namespace coffer::service
