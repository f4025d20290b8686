// Users: rows, and the directories that keep usernames and e-mail addresses unique. Knows no rule.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "coffer/base/ascii.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/base/error.hpp"
#include "coffer/domain/credits.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/store/event_log_store.hpp"
#include "coffer/store/write_frame.hpp"

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

/// What a user can be found by besides the id.
enum class user_name : std::uint8_t { username, email };

namespace detail {

inline constexpr pg::statement insert_user_row{
    "user_insert",
    "insert into users (id, username, email, balance, version, created_at, event_version, event_stream)"
    " values (nextval('user_ids'), $1, $2, 0, 0, now(), 0, $3) returning id, username, email, balance, version, "
    "created_at"};

inline constexpr pg::statement insert_username{
    "user_insert_username", "insert into usernames (username, user_id) values ($1, currval('user_ids'))"};

inline constexpr pg::statement insert_email{"user_insert_email",
                                            "insert into emails (email, user_id) values ($1, currval('user_ids'))"};

inline constexpr pg::statement insert_created_event{"user_insert_event", COFFER_INSERT_EVENTS
                                                    ")" COFFER_NEXT_EVENTS
                                                    ", now(), 1, array[currval('user_ids')], array[0], array[1]"};

inline constexpr pg::statement select_user{
    "user_find", "select id, username, email, balance, version, created_at from users where id = $1"};

inline constexpr pg::statement select_by_username{
    "user_find_by_username",
    "select u.id, u.username, u.email, u.balance, u.version, u.created_at"
    " from usernames n join users u on u.id = n.user_id where n.username = $1"};

inline constexpr pg::statement select_by_email{"user_find_by_email",
                                               "select u.id, u.username, u.email, u.balance, u.version, u.created_at"
                                               " from emails e join users u on u.id = e.user_id where e.email = $1"};

/// The statements of insert_user()'s pipeline whose unique violation is a refusal.
inline constexpr std::size_t username_statement = 2;
inline constexpr std::size_t email_statement = 3;
inline constexpr std::size_t event_statement = 4;

/// The directories' spelling. Names and addresses are ASCII in the parts that a user may vary by case.
inline std::string directory_key(std::string_view text) { return ascii::to_lower(text); }

inline user_row read_user(const pg::rows& result) {
  return {.id = user_id{result.int64(0, 0)},
          .username = std::string{result.text(0, 1)},
          .email = std::string{result.text(0, 2)},
          .balance = domain::credits{result.int64(0, 3)},
          .at = version{result.int64(0, 4)},
          .created_at = result.time(0, 5)};
}

}  // namespace detail

/// Inserts a user with balance 0, its name and address in one transaction, or in the one that is open. Both are unique
/// regardless of case. Refusals: username_taken, email_taken. Throws pg::error; delivery::unknown means it may have
/// been committed.
inline net::task<result<user_row>> insert_user(pg::connection& db, std::string username, std::string email,
                                               net::deadline until) {
  const write_frame frame{db};
  event_stream stream{event_stream::writer::other, db.backend_pid()};
  for (;;) {
    pg::pipeline p;
    p.add(frame.begin());
    p.add(detail::insert_user_row, pg::params::of(username, email, stream.number()));
    p.add(detail::insert_username, pg::params::of(detail::directory_key(username)));
    p.add(detail::insert_email, pg::params::of(detail::directory_key(email)));
    p.add(detail::insert_created_event, pg::params::of(stream.number()));
    p.add(frame.end());
    std::optional<pg::error> failure;
    try {
      const std::vector<pg::rows> results = co_await db.run(std::move(p), until);
      co_return detail::read_user(results.at(1));
    } catch (const pg::error& e) {
      failure.emplace(e);
    }
    if (failure->connection_usable()) {
      co_await frame.undo(db, until);
    }
    const bool taken = failure->state() == pg::sqlstate::unique_violation;
    if (taken && failure->statement_index() == detail::username_statement) {
      co_return std::unexpected(error{errc::username_taken});
    }
    if (taken && failure->statement_index() == detail::email_statement) {
      co_return std::unexpected(error{errc::email_taken});
    }
    if (!met_other_writer(*failure, detail::event_statement)) {
      throw pg::error{*failure};
    }
    stream.move();
  }
}

/// The user, or nullopt.
inline net::task<std::optional<user_row>> find_user(pg::connection& db, user_id id, net::deadline until) {
  pg::params with;
  with.add(id);
  const pg::rows found = co_await db.query(detail::select_user, std::move(with), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  co_return detail::read_user(found);
}

/// The user with this name or address, compared as their directories do: exactly, but for the case of ASCII letters.
inline net::task<std::optional<user_row>> find_user_by(pg::connection& db, user_name by, std::string name,
                                                       net::deadline until) {
  const pg::statement& look_up = by == user_name::username ? detail::select_by_username : detail::select_by_email;
  const pg::rows found = co_await db.query(look_up, pg::params::of(detail::directory_key(std::move(name))), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  co_return detail::read_user(found);
}

}  // namespace coffer::store
