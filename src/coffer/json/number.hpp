// What a JSON number says, read from its digits: no number passes through floating point.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace coffer::json {

/// A number as an integer: cut toward zero, the nearest of 64 bits when it is beyond them.
struct scaled_number {
  std::int64_t value = 0;
  bool is_whole = true;  ///< nothing but zeros was cut
};

namespace detail {

/// An exponent; beyond a thousand million, which no document has digits for, it says no more.
inline std::int64_t read_exponent(std::string_view text) noexcept {
  constexpr std::int64_t enough = 1'000'000'000;
  const bool negative = text.starts_with('-');
  text.remove_prefix(negative || text.starts_with('+') ? 1 : 0);
  std::int64_t exponent = 0;
  for (const char c : text) {
    exponent = std::min(exponent * 10 + (c - '0'), enough);
  }
  return negative ? -exponent : exponent;
}

/// The digits of a number without its point, one after the other.
class digit_run {
 public:
  digit_run(std::string_view before, std::string_view behind) noexcept : before_{before}, behind_{behind} {}

  [[nodiscard]] std::int64_t size() const noexcept {
    return static_cast<std::int64_t>(before_.size() + behind_.size());
  }
  [[nodiscard]] int at(std::int64_t place) const noexcept {
    const auto i = static_cast<std::size_t>(place);
    return (i < before_.size() ? before_[i] : behind_[i - before_.size()]) - '0';
  }

 private:
  std::string_view before_;
  std::string_view behind_;
};

}  // namespace detail

/// `number`, spelled by the grammar of JSON (RFC 8259 section 6), times ten to the power of `scale`.
inline scaled_number read_scaled(std::string_view number, int scale = 0) noexcept {
  const bool negative = number.starts_with('-');
  number.remove_prefix(negative ? 1 : 0);
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  const std::string_view mantissa = number.substr(0, e);
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  const detail::digit_run digits{mantissa.substr(0, point), mantissa.substr(std::min(point + 1, mantissa.size()))};
  const std::int64_t exponent = e < number.size() ? detail::read_exponent(number.substr(e + 1)) : 0;
  // So many of the digits stand before the point once it is moved; missing ones are zeros.
  const std::int64_t whole = static_cast<std::int64_t>(point) + exponent + scale;

  scaled_number read;
  bool beyond = false;
  for (std::int64_t i = 0; i < digits.size(); ++i) {
    const int digit = digits.at(i);
    if (i >= whole) {
      read.is_whole = read.is_whole && digit == 0;
    } else if (!beyond) {
      const std::int64_t signed_digit = negative ? -digit : digit;
      beyond = __builtin_mul_overflow(read.value, 10, &read.value) ||
               __builtin_add_overflow(read.value, signed_digit, &read.value);
    }
  }
  for (std::int64_t i = digits.size(); i < whole && !beyond && read.value != 0; ++i) {
    beyond = __builtin_mul_overflow(read.value, 10, &read.value);
  }
  if (beyond) {
    read.value = negative ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
  }
  return read;
}

}  // namespace coffer::json
