// Rows that transactions of somebody else hold: an operator's session, another process, a commit without an answer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>

#include "coffer/domain/command.hpp"

namespace coffer::domain {

/// Users and stocks whose rows could not be locked, each with a number that differs when the row was changed.
struct held_rows {
  std::map<user_id, std::int64_t> users;
  std::map<product_id, std::int64_t> stocks;

  [[nodiscard]] bool empty() const noexcept { return users.empty() && stocks.empty(); }

  /// Those that `earlier` has too, unchanged.
  [[nodiscard]] held_rows unchanged_since(const held_rows& earlier) const {
    held_rows both;
    std::ranges::set_intersection(users, earlier.users, std::inserter(both.users, both.users.end()));
    std::ranges::set_intersection(stocks, earlier.stocks, std::inserter(both.stocks, both.stocks.end()));
    return both;
  }

  /// Whether `c` may need one of them.
  [[nodiscard]] bool concern(const command& c) const {
    return users.contains(c.user) || (needs_stock(c) && stocks.contains(*c.product));
  }

  friend bool operator==(const held_rows&, const held_rows&) = default;
};

}  // namespace coffer::domain
