// Amounts of the app's currency.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "coffer/base/ids.hpp"

namespace coffer::domain {

/// Whole credits. Prices and balances are never negative.
using credits = strong<struct credits_tag>;

/// The largest balance, price or deposit: the largest integer every JSON reader keeps exact.
inline constexpr credits max_credits{max_json_integer};

/// The most units one purchase or use may name.
inline constexpr std::int64_t max_quantity = 1000;

/// The most units one grant may give or take.
inline constexpr std::int64_t max_grant = 1'000'000;

/// price * quantity. Cannot overflow: 2^53 * 1000 is below 2^63. May exceed max_credits, and is then unaffordable.
constexpr credits total_price(credits price, std::int64_t quantity) { return {price.value * quantity}; }
static_assert(max_json_integer <= INT64_MAX / max_quantity);

/// a + b, or the nearest number of 64 bits.
constexpr std::int64_t saturating_add(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) {
    return sum;
  }
  return b > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
}

/// The amount as it may appear on the wire, where integers end at 2^53-1.
constexpr std::int64_t on_the_wire(credits amount) { return std::min(amount.value, max_json_integer); }

}  // namespace coffer::domain
