// Which lane a user belongs to: a contiguous range of PostgreSQL's own hash, the way a sharded PostgreSQL splits rows.
#pragma once

#include <bit>
#include <cstdint>

#include "coffer/base/ids.hpp"

namespace coffer::ledger {

/// The number of logical lanes, for ever: the top five bits of the hash.
inline constexpr std::size_t logical_lanes = 32;

/// PostgreSQL's hashint8 (src/backend/access/hash/hashfunc.c), which ends in Bob Jenkins' lookup3 final mix.
constexpr std::uint32_t hash_int8(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  auto low = static_cast<std::uint32_t>(bits);
  const auto high = static_cast<std::uint32_t>(bits >> 32U);
  low ^= value >= 0 ? high : ~high;
  std::uint32_t a = 0x9e3779b9U + 4U + 3923095U;
  std::uint32_t b = a;
  std::uint32_t c = a;
  a += low;
  c ^= b, c -= std::rotl(b, 14);
  a ^= c, a -= std::rotl(c, 11);
  b ^= a, b -= std::rotl(a, 25);
  c ^= b, c -= std::rotl(b, 16);
  a ^= c, a -= std::rotl(c, 4);
  b ^= a, b -= std::rotl(a, 14);
  c ^= b, c -= std::rotl(b, 24);
  return c;
}

/// The logical lane of a user, 0..31. The hash is a signed integer in PostgreSQL and shards are cut in signed order,
/// so the sign bit is flipped to make lane 0 the lowest range.
constexpr std::size_t lane_of(user_id user) { return (hash_int8(user.value) ^ 0x80000000U) >> 27U; }

}  // namespace coffer::ledger
