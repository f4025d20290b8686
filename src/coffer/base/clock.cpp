#include "coffer/base/clock.hpp"

#include <algorithm>
#include <cstdint>

namespace coffer {

timestamp now() noexcept {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::string to_rfc3339(timestamp time) {
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

std::optional<std::string> to_rfc3339_if_any(std::optional<timestamp> time) {
  return time ? std::optional{to_rfc3339(*time)} : std::nullopt;
}

namespace {

/// Reads exactly `digits` decimal digits from the front of `text`; false when there are fewer.
bool take_number(std::string_view& text, std::size_t digits, int& value) {
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

bool take_char(std::string_view& text, std::string_view any_of) {
  if (text.empty() || !any_of.contains(text.front())) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

/// Reads an optional fraction of a second as microseconds; false when it is malformed.
bool take_fraction(std::string_view& text, std::int64_t& micros) {
  micros = 0;
  if (!take_char(text, ".")) {
    return true;
  }
  int digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
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

}  // namespace

std::optional<timestamp> from_rfc3339(std::string_view text) {
  if (text.size() > longest_time) {
    return std::nullopt;
  }
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::int64_t micros = 0;
  const bool head = take_number(text, 4, year) && take_char(text, "-") && take_number(text, 2, month) &&
                    take_char(text, "-") && take_number(text, 2, day) && take_char(text, "Tt ") &&
                    take_number(text, 2, hour) && take_char(text, ":") && take_number(text, 2, minute) &&
                    take_char(text, ":") && take_number(text, 2, second) && take_fraction(text, micros);
  if (!head) {
    return std::nullopt;
  }
  int offset_minutes = 0;
  if (!take_char(text, "Zz")) {
    const bool west = !text.empty() && text.front() == '-';
    int offset_hour = 0, offset_minute = 0;
    if (!(take_char(text, "+-") && take_number(text, 2, offset_hour) && take_char(text, ":") &&
          take_number(text, 2, offset_minute)) ||
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
