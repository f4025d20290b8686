#include "coffer/service/statements.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace coffer::service {

net::task<domain::credits> statements::balance(user_id user, version at, net::deadline until) {
  const auto work = [user, at, until](pg::connection& db) { return store::balance_at(db, user, at, until); };
  co_return co_await with_connection(db_, until, true, work);
}

net::task<result<statement>> statements::open(statement_query query, net::deadline until) {
  const auto work = [query, until](pg::connection& db) {
    return store::find_period(db, query.user, query.from, query.to, until);
  };
  const std::optional<store::version_range> period = co_await with_connection(db_, until, true, work);
  if (!period) {
    co_return std::unexpected(error{errc::user_not_found});
  }
  statement s;
  s.user = query.user;
  s.range = *period;
  if (query.after) {
    s.range.first = version{std::max(s.range.first.value, query.after->value + 1)};
  }
  if (query.limit && s.range.last.value - s.range.first.value >= *query.limit) {
    s.range.last = version{s.range.first.value + *query.limit - 1};
    s.more = true;
  }
  s.range.last = version{std::max(s.range.last.value, s.range.first.value - 1)};
  s.opening = co_await balance(s.user, version{s.range.first.value - 1}, until);
  s.closing = co_await balance(s.user, s.range.last, until);
  co_return s;
}

net::task<std::vector<store::statement_row>> statements::read(statement s, version from, net::deadline until) {
  const store::version_range part{from, version{std::min(s.range.last.value, from.value + page - 1)}};
  const user_id user = s.user;
  const auto work = [user, part, until](pg::connection& db) { return store::read_statement(db, user, part, until); };
  std::vector<store::statement_row> rows = co_await with_connection(db_, until, true, work);
  if (std::ssize(rows) != part.last.value - part.first.value + 1) {
    throw std::runtime_error(
        fmt::format("user {} has no versions {} to {}", user.value, part.first.value, part.last.value));
  }
  co_return rows;
}

}  // namespace coffer::service
