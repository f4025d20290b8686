// Users: rows, and the directories that keep usernames and e-mail addresses unique. Knows no rule.
#pragma once

#include <optional>
#include <string>

#include "coffer/base/clock.hpp"
#include "coffer/base/error.hpp"
#include "coffer/domain/credits.hpp"
#include "coffer/pg/pool.hpp"

namespace coffer::store {

/// A user as stored.
struct user_row {
  user_id id;
  std::string username;
  std::string email;
  domain::credits balance;
  version at;
  timestamp created_at;
};

/// Inserts a user with balance 0, its name and address in one transaction, or in the one that is open. Both are unique
/// regardless of case. Refusals: username_taken, email_taken. Throws pg::error; delivery::unknown means it may have
/// been committed.
net::task<result<user_row>> insert_user(pg::connection& db, std::string username, std::string email,
                                        net::deadline until);

/// The user, or nullopt.
net::task<std::optional<user_row>> find_user(pg::connection& db, user_id id, net::deadline until);

/// What a user can be found by besides the id.
enum class user_name : std::uint8_t { username, email };

/// The user with this name or address, compared as their directories do: exactly, but for the case of ASCII letters.
net::task<std::optional<user_row>> find_user_by(pg::connection& db, user_name by, std::string name,
                                                net::deadline until);

}  // namespace coffer::store
