// Users: creation and look-up.
#pragma once

#include <string>

#include "coffer/service/once.hpp"
#include "coffer/store/users_store.hpp"

namespace coffer::service {

/// One instance per thread. Throws pg::error for infrastructure failures.
class users {
 public:
  explicit users(pg::pool& db) : db_{db} {}

  /// Refusals: username_taken, email_taken.
  net::task<written<store::user_row>> create(std::string username, std::string email,
                                             std::optional<keyed<store::user_row>> under, net::deadline until);

  /// Refusal: user_not_found.
  net::task<result<store::user_row>> find(user_id id, net::deadline until);

  /// The user with this name or address, or nullopt.
  net::task<std::optional<store::user_row>> find_by(store::user_name by, std::string name, net::deadline until);

 private:
  pg::pool& db_;
};

inline net::task<written<store::user_row>> users::create(std::string username, std::string email,
                                                         std::optional<keyed<store::user_row>> under,
                                                         net::deadline until) {
  const auto work = [username, email, until](pg::connection& db) {
    return store::insert_user(db, username, email, until);
  };
  co_return co_await write_once(db_, std::move(under), until, work);
}

inline net::task<std::optional<store::user_row>> users::find_by(store::user_name by, std::string name,
                                                                net::deadline until) {
  const auto work = [by, name = std::move(name), until](pg::connection& db) {
    return store::find_user_by(db, by, name, until);
  };
  co_return co_await with_connection(db_, until, true, work);
}

inline net::task<result<store::user_row>> users::find(user_id id, net::deadline until) {
  const auto work = [id, until](pg::connection& db) { return store::find_user(db, id, until); };
  std::optional<store::user_row> found = co_await with_connection(db_, until, true, work);
  if (!found) {
    co_return std::unexpected(error{errc::user_not_found});
  }
  co_return *std::move(found);
}

}  // namespace coffer::service
