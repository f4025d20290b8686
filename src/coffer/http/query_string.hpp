// The query part of a target as names and values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/base/ascii.hpp"
#include "coffer/http/syntax.hpp"

namespace coffer::http {

/// `a=1&b=2` (URL standard, application/x-www-form-urlencoded). Names may repeat.
class query_string {
 public:
  using entry = std::pair<std::string, std::string>;

  /// nullopt when an escape is malformed.
  static std::optional<query_string> parse(std::string_view text);

  [[nodiscard]] const std::vector<entry>& entries() const { return entries_; }

 private:
  std::vector<entry> entries_;
};

namespace detail {

/// Cuts off and gives what stands before the first `separator`; everything when there is none.
inline std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  if (end == std::string_view::npos) {
    return std::exchange(text, {});
  }
  const std::string_view head = text.substr(0, end);
  text = text.substr(end + 1);
  return head;
}

}  // namespace detail

/// The bytes of `text` with percent-encoding resolved once, and '+' as a space if `plus_is_space`; nullopt when an
/// escape is malformed or stands for NUL.
inline std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const bool complete = text.size() - i > 2;
      const int high = complete ? ascii::hex_value(text[i + 1]) : -1;
      const int low = complete ? ascii::hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0 || (high == 0 && low == 0)) {
        return std::nullopt;
      }
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

inline std::optional<query_string> query_string::parse(std::string_view text) {
  query_string parsed;
  while (!text.empty()) {
    std::string_view value_text = detail::take_until(text, '&');
    if (value_text.empty()) {
      continue;
    }
    const std::string_view name_text = detail::take_until(value_text, '=');
    auto name = percent_decode(name_text, true);
    auto value = percent_decode(value_text, true);
    if (!name || !value) {
      return std::nullopt;
    }
    parsed.entries_.emplace_back(*std::move(name), *std::move(value));
  }
  return parsed;
}

}  // namespace coffer::http
