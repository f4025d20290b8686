// A user's journal, for reading.
#pragma once

#include <variant>
#include <vector>

#include "coffer/base/error.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/account_statement_store.hpp"
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

inline net::task<result<domain::transaction>> history::find(user_id user, version at, net::deadline until) {
  const auto work = [user, at, until](pg::connection& db) { return store::find_transaction(db, user, at, until); };
  std::optional<domain::transaction> found = co_await with_connection(db_, until, true, work);
  if (!found) {
    co_return std::unexpected(error{errc::transaction_not_found});
  }
  co_return *std::move(found);
}

inline net::task<result<store::inventory>> history::inventory_at(user_id user, std::variant<version, timestamp> when,
                                                                 net::deadline until) {
  const auto* time = std::get_if<timestamp>(&when);
  const auto behind = time != nullptr ? std::optional{*time + timestamp::duration{1}} : std::nullopt;
  const auto look = [user, behind, until](pg::connection& db) {
    return store::find_period(db, user, std::nullopt, behind, until);
  };
  const std::optional<store::version_range> past = co_await with_connection(db_, until, true, look);
  if (!past) {
    co_return std::unexpected(error{errc::user_not_found});
  }
  const version at = time != nullptr ? past->last : std::get<version>(when);
  if (at > past->last) {
    co_return std::unexpected(error{errc::invalid_parameter});
  }
  // Slice by slice, the newest first, each on a connection of its own: a long history takes turns with other reads.
  store::inventory_at earlier{user, at};
  while (!earlier.complete()) {
    const store::version_range part = earlier.next_slice();
    const auto read = [user, part, until](pg::connection& db) { return store::read_slice(db, user, part, until); };
    const store::inventory_slice slice = co_await with_connection(db_, until, true, read);
    earlier.add(slice);
  }
  store::inventory found = std::move(earlier).result();
  if (time != nullptr) {
    found.as_of = *time;
  }
  co_return found;
}

inline net::task<result<store::history_page>> history::list(store::history_query query, net::deadline until) {
  const auto work = [query, until](pg::connection& db) { return store::list_transactions(db, query, until); };
  std::optional<store::history_page> page = co_await with_connection(db_, until, true, work);
  if (!page) {
    co_return std::unexpected(error{errc::user_not_found});
  }
  co_return *std::move(page);
}

}  // namespace coffer::service
