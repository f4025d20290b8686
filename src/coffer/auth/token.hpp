// Players' tokens: JSON Web Tokens (RFC 7519) that the app's backend signs. Knows no HTTP.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "coffer/auth/jwt_keys.hpp"
#include "coffer/auth/principal.hpp"
#include "coffer/auth/scope.hpp"
#include "coffer/base/base64url.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/json/reader.hpp"

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

namespace detail {

using refused = std::unexpected<std::string_view>;

inline constexpr std::string_view malformed = "The token is not a signed JSON Web Token.";

/// The first moment behind the year 9999: such times are a mistake of unit, and would overflow arithmetic.
inline constexpr timestamp end_of_time{std::chrono::sys_days{std::chrono::year{10000} / 1 / 1}};

/// A part of the token as JSON; keeps the bytes that the document's values point into.
inline result<json::document> decode(std::string_view part, std::string& bytes) {
  auto decoded = from_base64url(part);
  if (!decoded) {
    return std::unexpected(error{errc::malformed_json});
  }
  bytes = *std::move(decoded);
  result<json::document> parsed = json::parse(bytes);
  if (parsed && parsed->root().kind() != json::kind::object) {
    return std::unexpected(error{errc::malformed_json});
  }
  return parsed;
}

inline std::optional<std::string_view> text_of(const json::value& object, std::string_view name) {
  const json::value* const found = object.find(name);
  return found != nullptr && found->kind() == json::kind::string ? std::optional{found->as_string()} : std::nullopt;
}

/// A NumericDate: seconds, which may have a fraction (RFC 7519 section 2), read to the microsecond.
inline std::optional<timestamp> time_of(const json::value& object, std::string_view name) {
  const json::value* const found = object.find(name);
  if (found == nullptr || (found->kind() != json::kind::integer && found->kind() != json::kind::number)) {
    return std::nullopt;
  }
  const timestamp time{std::chrono::microseconds{found->as_millionths()}};
  return time < timestamp{} || time >= end_of_time ? std::nullopt : std::optional{time};
}

inline bool is_for(const json::value& claims, std::string_view audience) {
  const json::value* const found = claims.find("aud");
  if (found == nullptr) {
    return false;
  }
  const auto matches = [audience](const json::value& v) {
    return v.kind() == json::kind::string && v.as_string() == audience;
  };
  return found->kind() == json::kind::array ? std::ranges::any_of(found->elements(), matches) : matches(*found);
}

/// A user's id in plain decimal: no sign, no leading zero.
inline std::optional<user_id> user_of(std::string_view text) {
  user_id user;
  const char* const end = text.data() + text.size();
  const auto [stop, failed] = std::from_chars(end - text.size(), end, user.value);
  if (text.empty() || text.front() < '1' || failed != std::errc{} || stop != end || user.value > max_json_integer) {
    return std::nullopt;
  }
  return user;
}

inline std::expected<player_token, std::string_view> read_claims(const json::value& claims, const token_rules& rules) {
  if (text_of(claims, "iss") != rules.issuer) {
    return refused{"The token is from another issuer."};
  }
  if (!is_for(claims, rules.audience)) {
    return refused{"The token is for another audience."};
  }
  const auto user = user_of(text_of(claims, "sub").value_or(""));
  if (!user) {
    return refused{"The token's sub is not the id of a user."};
  }
  const auto expires = time_of(claims, "exp");
  if (!expires) {
    return refused{"The token needs exp, in seconds since 1970."};
  }
  player_token token{.user = *user, .scopes = player_scopes, .expires_at = *expires, .not_before = std::nullopt};
  if (claims.find("nbf") != nullptr) {
    token.not_before = time_of(claims, "nbf");
    if (!token.not_before) {
      return refused{"The token's nbf is not a time in seconds since 1970."};
    }
  }
  if (claims.find("scope") != nullptr) {
    token.scopes = known_scopes(text_of(claims, "scope").value_or("")).common_with(player_scopes);
  }
  return token;
}

}  // namespace detail

inline std::expected<void, std::string_view> player_token::check_time(timestamp now,
                                                                      std::chrono::seconds leeway) const {
  if (now >= expires_at + leeway) {
    return detail::refused{"The token has expired."};
  }
  if (not_before && now < *not_before - leeway) {
    return detail::refused{"The token is not in force yet."};
  }
  return {};
}

/// Checks everything but the clock: form, `alg` and `kid` against the keys, no `crit`, signature, `iss`, `aud`, `sub`
/// (a user's id in decimal), `exp` there. The error is a sentence that gives nothing of the server's away.
inline std::expected<player_token, std::string_view> verify_token(std::string_view token, const jwt_keys& keys,
                                                                  const token_rules& rules) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (token.size() > max_token_size || second == std::string_view::npos ||
      token.find('.', second + 1) != std::string_view::npos) {
    return detail::refused{detail::malformed};
  }
  std::string head_bytes;
  const result<json::document> head = detail::decode(token.substr(0, first), head_bytes);
  const auto signature = from_base64url(token.substr(second + 1));
  if (!head || !signature) {
    return detail::refused{detail::malformed};
  }
  // RFC 7515 section 4.1.11: what must be understood and is not, refuses the token.
  if (head->root().find("crit") != nullptr) {
    return detail::refused{"The token has critical extensions that this server does not know."};
  }
  const json::value* const named = head->root().find("kid");
  if (named != nullptr && named->kind() != json::kind::string) {
    return detail::refused{detail::malformed};
  }
  const jwt_key* const key = keys.find(detail::text_of(head->root(), "kid"));
  if (key == nullptr) {
    return detail::refused{"The token is signed with an unknown key."};
  }
  if (detail::text_of(head->root(), "alg") != to_string(key->algorithm())) {
    return detail::refused{"The token's alg is not that of its key."};
  }
  if (!key->verifies(token.substr(0, second), *signature)) {
    return detail::refused{"The token's signature is wrong."};
  }
  std::string claim_bytes;
  const result<json::document> claims = detail::decode(token.substr(first + 1, second - first - 1), claim_bytes);
  if (!claims) {
    return detail::refused{detail::malformed};
  }
  return detail::read_claims(claims->root(), rules);
}

}  // namespace coffer::auth
