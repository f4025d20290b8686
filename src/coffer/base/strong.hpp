// Strong integer types: two numbers of different meaning cannot be swapped in a call.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace coffer {

/// A 64-bit integer that is only comparable with its own kind.
template <typename Tag>
struct strong {
  std::int64_t value = 0;

  friend constexpr auto operator<=>(strong, strong) = default;
};

}  // namespace coffer

template <typename Tag>
struct std::hash<coffer::strong<Tag>> {
  std::size_t operator()(coffer::strong<Tag> id) const noexcept {
    // Fibonacci hashing: ids are dense, the tables are small.
    return static_cast<std::size_t>(static_cast<std::uint64_t>(id.value) * 0x9E3779B97F4A7C15ULL);
  }
};
