// The fixed words of the contract, for parameters and documents.
#pragma once

#include <array>
#include <string_view>

namespace coffer::api {

/// As domain::to_string spells them.
inline constexpr std::array<std::string_view, 5> transaction_kinds = {"deposit", "purchase", "use", "refund", "grant"};
/// Of a grant.
inline constexpr std::array<std::string_view, 2> grant_directions = {"give", "take"};
inline constexpr std::array<std::string_view, 3> transaction_statuses = {"pending", "completed", "failed"};
inline constexpr std::array<std::string_view, 2> product_types = {"consumable", "permanent"};

}  // namespace coffer::api
