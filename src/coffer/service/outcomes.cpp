#include "coffer/service/outcomes.hpp"

namespace coffer::service {

net::task<result<domain::transaction>> outcomes::find(user_id user, std::string key, net::deadline until) {
  // First the lane, then the journal: what leaves the lane in between has been committed and is seen.
  if (co_await ledger_.in_progress(user, key)) {
    co_return std::unexpected(error{errc::idempotency_in_progress});
  }
  const auto work = [user, &key, until](pg::connection& db) { return store::find_outcome(db, user, key, until); };
  co_return co_await with_connection(db_, until, true, work);
}

}  // namespace coffer::service
