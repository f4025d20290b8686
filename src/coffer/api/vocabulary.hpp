// The fixed words of the contract, for parameters and documents.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "coffer/domain/transaction.hpp"

namespace coffer::api {

/// As domain::to_string spells them.
inline constexpr std::array<std::string_view, 5> transaction_kinds = {"deposit", "purchase", "use", "refund", "grant"};
/// Of a grant.
inline constexpr std::array<std::string_view, 2> grant_directions = {"give", "take"};
inline constexpr std::array<std::string_view, 3> transaction_statuses = {"pending", "completed", "failed"};
inline constexpr std::array<std::string_view, 2> product_types = {"consumable", "permanent"};

// Characters of the longest texts of their kinds.
inline constexpr std::int64_t longest_key = 255;           ///< an idempotency key
inline constexpr std::int64_t longest_request_id = 64;     ///< as http::acceptable_request_id
inline constexpr std::int64_t longest_code = 64;           ///< an error code, or the name of a rule
inline constexpr std::int64_t longest_name = 100;          ///< a product's
inline constexpr std::int64_t longest_description = 2000;  ///< a product's
inline constexpr std::int64_t longest_username = 32;
inline constexpr std::int64_t longest_email = 254;
inline constexpr std::int64_t longest_reason = 500;  ///< an operator's
inline constexpr std::int64_t longest_cursor = 64;
inline constexpr std::int64_t longest_detail = 2000;  ///< a sentence of a problem
inline constexpr std::int64_t longest_header = 16 * 1024;
inline constexpr std::int64_t longest_query = 8 * 1024;

/// The direction of a grant; nullopt for what is none.
inline std::optional<std::string_view> grant_direction(const domain::transaction& row) noexcept {
  return row.kind == domain::transaction_kind::grant ? std::optional{grant_directions[domain::takes_away(row) ? 1 : 0]}
                                                     : std::nullopt;
}

}  // namespace coffer::api
