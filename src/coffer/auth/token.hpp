// Players' tokens: JSON Web Tokens (RFC 7519) that the app's backend signs. Knows no HTTP.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "coffer/auth/jwt_keys.hpp"
#include "coffer/auth/scope.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/base/ids.hpp"

namespace coffer::auth {

/// Longer ones are refused unread.
inline constexpr std::size_t max_token_size = 8192;

/// What a token must say.
struct token_rules {
  std::string issuer;               ///< iss, exactly
  std::string audience;             ///< aud, or one of it
  std::chrono::seconds leeway{30};  ///< for clocks that differ (RFC 7519 section 4.1.4)
};

/// A token whose signature and names are right. Whether it is in force depends on the clock.
struct player_token {
  user_id user;
  scope_set scopes;  ///< the claim `scope`, within what players may do; all of that without the claim
  timestamp expires_at;
  std::optional<timestamp> not_before;

  /// The error says which side of its life the moment is on.
  [[nodiscard]] std::expected<void, std::string_view> check_time(timestamp now, std::chrono::seconds leeway) const;
};

/// Checks everything but the clock: form, `alg` and `kid` against the keys, no `crit`, signature, `iss`, `aud`, `sub`
/// (a user's id in decimal), `exp` there. The error is a sentence that gives nothing of the server's away.
std::expected<player_token, std::string_view> verify_token(std::string_view token, const jwt_keys& keys,
                                                           const token_rules& rules);

}  // namespace coffer::auth
