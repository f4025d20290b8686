// Users: creation and look-up.
#pragma once

#include <string>

#include "coffer/service/database.hpp"
#include "coffer/store/users_store.hpp"

namespace coffer::service {

/// One instance per thread. Throws pg::error for infrastructure failures.
class users {
 public:
  explicit users(pg::pool& db) : db_{db} {}

  /// Refusals: username_taken, email_taken.
  net::task<result<store::user_row>> create(std::string username, std::string email, net::deadline until);

  /// Refusal: user_not_found.
  net::task<result<store::user_row>> find(user_id id, net::deadline until);

 private:
  pg::pool& db_;
};

}  // namespace coffer::service
