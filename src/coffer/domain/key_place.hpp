// Where an idempotency key counts.
#pragma once

#include <compare>
#include <string_view>

#include "coffer/base/ids.hpp"

namespace coffer::domain {

/// One key of one user. What players send and what servers send are apart: neither meets the keys of the other.
struct key_place {
  user_id user;
  bool by_player = false;
  std::string_view key;

  friend constexpr auto operator<=>(const key_place&, const key_place&) = default;
};

}  // namespace coffer::domain
