// Wall-clock time as the journal and the contract know it: UTC, microseconds.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "coffer/base/ascii.hpp"

namespace coffer {

/// 20ms, 1s: durations are written so everywhere.
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

/// Microseconds since the Unix epoch, UTC: PostgreSQL's resolution of timestamptz.
using timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/// Characters of the longest time that is read: many digits of a second, and an offset.
inline constexpr std::size_t longest_time = 64;
/// Characters of a time as it is written.
inline constexpr std::size_t written_time = 27;

/// The wall clock now.
inline timestamp now() noexcept {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

/// "2026-11-22T23:13:50.123456Z" (RFC 3339, always six decimals).
inline std::string to_rfc3339(timestamp time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::string text = "0000-00-00T00:00:00.000000Z";
  // Written by hand: every receipt holds one, and a format string costs several times as much.
  const auto put = [&text](std::size_t last, std::int64_t value) {
    for (; value > 0; value /= 10) {
      text[last--] = static_cast<char>('0' + value % 10);
    }
  };
  put(3, std::clamp(static_cast<int>(date.year()), 0, 9999));
  put(6, static_cast<unsigned>(date.month()));
  put(9, static_cast<unsigned>(date.day()));
  put(12, clock.hours().count());
  put(15, clock.minutes().count());
  put(18, clock.seconds().count());
  put(25, clock.subseconds().count());
  return text;
}

/// As to_rfc3339(); no time is no text.
inline std::optional<std::string> to_rfc3339_if_any(std::optional<timestamp> time) {
  return time ? std::optional{to_rfc3339(*time)} : std::nullopt;
}

namespace detail {

/// Reads exactly `digits` decimal digits from the front of `text`; false when there are fewer.
inline bool take_number(std::string_view& text, std::size_t digits, int& value) {
  if (text.size() < digits) {
    return false;
  }
  value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') {
      return false;
    }
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return true;
}

inline bool take_char(std::string_view& text, std::string_view any_of) {
  if (text.empty() || !any_of.contains(text.front())) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

/// Reads an optional fraction of a second as microseconds; false when it is malformed.
inline bool take_fraction(std::string_view& text, std::int64_t& micros) {
  micros = 0;
  if (!take_char(text, ".")) {
    return true;
  }
  int digits = 0;
  while (!text.empty() && ascii::is_digit(text.front())) {
    if (digits < 6) {
      micros = micros * 10 + (text.front() - '0');
    }
    ++digits;
    text.remove_prefix(1);
  }
  for (int i = digits; i < 6; ++i) {
    micros *= 10;
  }
  return digits >= 1 && digits <= 9;
}

}  // namespace detail

/// Parses RFC 3339 with any offset and up to nine decimals (those past the sixth are cut); nullopt when malformed. A
/// leap second (23:59:60 UTC) is the second behind it, as in POSIX and PostgreSQL.
inline std::optional<timestamp> from_rfc3339(std::string_view text) {
  if (text.size() > longest_time) {
    return std::nullopt;
  }
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::int64_t micros = 0;
  const bool head =
      detail::take_number(text, 4, year) && detail::take_char(text, "-") && detail::take_number(text, 2, month) &&
      detail::take_char(text, "-") && detail::take_number(text, 2, day) && detail::take_char(text, "Tt ") &&
      detail::take_number(text, 2, hour) && detail::take_char(text, ":") && detail::take_number(text, 2, minute) &&
      detail::take_char(text, ":") && detail::take_number(text, 2, second) && detail::take_fraction(text, micros);
  if (!head) {
    return std::nullopt;
  }
  int offset_minutes = 0;
  if (!detail::take_char(text, "Zz")) {
    const bool west = !text.empty() && text.front() == '-';
    int offset_hour = 0, offset_minute = 0;
    if (!(detail::take_char(text, "+-") && detail::take_number(text, 2, offset_hour) && detail::take_char(text, ":") &&
          detail::take_number(text, 2, offset_minute)) ||
        offset_hour > 23 || offset_minute > 59) {
      return std::nullopt;
    }
    offset_minutes = (west ? -1 : 1) * (offset_hour * 60 + offset_minute);
  }
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!text.empty() || !date.ok() || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  const timestamp in_minutes = timestamp{std::chrono::sys_days{date}} + std::chrono::hours{hour} +
                               std::chrono::minutes{minute} - std::chrono::minutes{offset_minutes};
  const bool ends_a_day = in_minutes + std::chrono::minutes{1} == std::chrono::ceil<std::chrono::days>(in_minutes);
  if (second == 60 && !ends_a_day) {
    return std::nullopt;
  }
  const timestamp time = in_minutes + std::chrono::seconds{second} + std::chrono::microseconds{micros};
  // An offset may lead out of the years that four digits can spell, and such a time could not be written again.
  constexpr timestamp first{std::chrono::sys_days{std::chrono::year{0} / 1 / 1}};
  constexpr timestamp behind{std::chrono::sys_days{std::chrono::year{10000} / 1 / 1}};
  return time < first || time >= behind ? std::nullopt : std::optional{time};
}

}  // namespace coffer
