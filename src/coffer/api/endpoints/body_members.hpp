// What members of several bodies have in common: their rules and what is said of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "coffer/api/vocabulary.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/domain/product.hpp"
#include "coffer/json/schema.hpp"

namespace coffer::api {

inline constexpr json::integer any_id{1, max_json_integer};
inline constexpr json::integer any_price{0, domain::max_credits.value};
inline constexpr json::integer any_quantity{1, domain::max_quantity};
inline constexpr json::text operator_reason{1, static_cast<std::size_t>(longest_reason), json::charset::text};

inline constexpr std::string_view reason_help = "Why; kept with the transaction as its note.";
inline constexpr std::string_view note_public_help = "Whether players see the note; else it is for operators alone.";

/// A member that a body has from a part that it derives from, as a member of the body.
template <typename Body, typename Part, typename Field>
constexpr Field Body::* of_part(Field Part::* member) {
  return member;
}

/// The idempotency key of one of several writes in a body, which has no header of its own.
inline constexpr json::text any_body_key{1, static_cast<std::size_t>(longest_key), json::charset::line};

/// Adds a violation when it has other than visible ASCII characters.
inline void check_body_key(std::string_view key, json::violations& found) {
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7F; })) {
    found.add("idempotency_key", "pattern", "may contain only visible ASCII characters");
  }
}

}  // namespace coffer::api
