// What a JSON number says, read from its digits: no number passes through floating point.
#pragma once

#include <cstdint>
#include <string_view>

namespace coffer::json {

/// A number as an integer: cut toward zero, the nearest of 64 bits when it is beyond them.
struct scaled_number {
  std::int64_t value = 0;
  bool is_whole = true;  ///< nothing but zeros was cut
};

/// `number`, spelled by the grammar of JSON (RFC 8259 section 6), times ten to the power of `scale`.
scaled_number read_scaled(std::string_view number, int scale = 0) noexcept;

}  // namespace coffer::json
