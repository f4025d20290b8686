#include "coffer/service/users.hpp"

namespace coffer::service {

net::task<written<store::user_row>> users::create(std::string username, std::string email,
                                                  std::optional<keyed<store::user_row>> under, net::deadline until) {
  const auto work = [username, email, until](pg::connection& db) {
    return store::insert_user(db, username, email, until);
  };
  co_return co_await write_once(db_, std::move(under), until, work);
}

net::task<std::optional<store::user_row>> users::find_by(store::user_name by, std::string name, net::deadline until) {
  const auto work = [by, name = std::move(name), until](pg::connection& db) {
    return store::find_user_by(db, by, name, until);
  };
  co_return co_await with_connection(db_, until, true, work);
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
