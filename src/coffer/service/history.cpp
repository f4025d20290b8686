#include "coffer/service/history.hpp"

namespace coffer::service {

net::task<result<domain::transaction>> history::find(user_id user, version at, net::deadline until) {
  const auto work = [user, at, until](pg::connection& db) { return store::find_transaction(db, user, at, until); };
  std::optional<domain::transaction> found = co_await with_connection(db_, until, true, work);
  if (!found) {
    co_return std::unexpected(error{errc::transaction_not_found});
  }
  co_return *std::move(found);
}

net::task<result<std::vector<domain::transaction>>> history::list(store::history_query query, net::deadline until) {
  const auto work = [query, until](pg::connection& db) { return store::list_transactions(db, query, until); };
  std::optional<std::vector<domain::transaction>> page = co_await with_connection(db_, until, true, work);
  if (!page) {
    co_return std::unexpected(error{errc::user_not_found});
  }
  co_return *std::move(page);
}

}  // namespace coffer::service
