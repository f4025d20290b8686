// Integers and times as PostgreSQL's binary format has them.
#pragma once

#include <bit>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>

#include "coffer/base/clock.hpp"

namespace coffer::pg::wire {

/// Writes `value` in network order and gives the place behind it.
template <std::integral T>
inline char* put(char* at, T value) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    value = std::byteswap(value);
  }
  std::memcpy(at, &value, sizeof(T));
  return at + sizeof(T);
}

/// Reads an integer in network order.
template <std::integral T>
inline T get(const char* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof(T));
  if constexpr (std::endian::native == std::endian::little) {
    value = std::byteswap(value);
  }
  return value;
}

/// PostgreSQL counts microseconds from 2000-01-01, and has infinities at both ends (its datatype/timestamp.h).
inline constexpr timestamp epoch = std::chrono::sys_days{std::chrono::year{2000} / 1 / 1};

inline std::int64_t from_timestamp(timestamp time) noexcept {
  if (time == timestamp::max() || time == timestamp::min()) {
    return time.time_since_epoch().count();
  }
  return (time - epoch).count();
}

inline timestamp to_timestamp(std::int64_t micros) noexcept {
  if (micros == timestamp::max().time_since_epoch().count() || micros == timestamp::min().time_since_epoch().count()) {
    return timestamp{std::chrono::microseconds{micros}};
  }
  return epoch + std::chrono::microseconds{micros};
}

}  // namespace coffer::pg::wire
