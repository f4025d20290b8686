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

}  // namespace coffer::service
