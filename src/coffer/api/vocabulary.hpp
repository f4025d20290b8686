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

/// The direction of a grant; nullopt for what is none.
inline std::optional<std::string_view> grant_direction(const domain::transaction& row) noexcept {
  return row.kind == domain::transaction_kind::grant
             ? std::optional{grant_directions[row.detail_1 == domain::taken_away ? 1 : 0]}
             : std::nullopt;
}

}  // namespace coffer::api
