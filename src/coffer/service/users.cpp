#include "coffer/service/users.hpp"

namespace coffer::service {

net::task<result<store::user_row>> users::create(std::string username, std::string email, net::deadline until) {
  const auto work = [username, email, until](pg::connection& db) {
    return store::insert_user(db, username, email, until);
  };
  co_return co_await with_connection(db_, until, false, work);
}

net::task<result<store::user_row>> users::find(user_id id, net::deadline until) {
  const auto work = [id, until](pg::connection& db) { return store::find_user(db, id, until); };
  std::optional<store::user_row> found = co_await with_connection(db_, until, true, work);
  if (!found) {
    co_return std::unexpected(error{errc::user_not_found});
  }
  co_return *std::move(found);
}

}  // namespace coffer::service
