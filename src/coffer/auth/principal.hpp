// Who sends a request, and what that may be.
#pragma once

#include <cstdint>
#include <optional>

#include "coffer/auth/scope.hpp"
#include "coffer/base/ids.hpp"

namespace coffer::auth {

/// The sender of a request, once its credentials have been checked.
struct principal {
  scope_set scopes;
  std::int64_t key = 0;         ///< id of the server key; 0: none
  std::optional<user_id> only;  ///< of a player's token: the one user it may touch

  /// Whether it may touch this user at all.
  [[nodiscard]] bool may_touch(user_id user) const { return !only || *only == user; }
};

/// Everybody, on a server without authentication.
inline constexpr principal anybody{.scopes = everything, .key = 0, .only = std::nullopt};

/// What a player's token may do: never add funds, never see other players or the shop's figures.
inline constexpr scope_set player_scopes{scope::purchases_write, scope::inventory_read, scope::inventory_write,
                                         scope::catalog_read};

}  // namespace coffer::auth
