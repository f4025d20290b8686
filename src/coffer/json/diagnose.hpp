// Says where a text stops being JSON. Slow and thorough: only for documents that the parser has refused.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/base/ascii.hpp"
#include "coffer/base/text.hpp"
#include "coffer/json/reader.hpp"

namespace coffer::json {

/// The first byte that cannot be part of a JSON document, and why.
struct fault {
  std::size_t offset = 0;
  std::string reason;
};

namespace detail {

/// A recursive descent through the grammar that stops at the first fault. Each read_ function gives false then.
class scanner {
 public:
  explicit scanner(std::string_view text) : text_{text} {}

  std::optional<fault> run() {
    skip_space();
    if (at_end()) {
      refuse("the document is empty");
    } else if (read_value(0)) {
      skip_space();
      if (!at_end()) {
        refuse("nothing may follow the document");
      }
    }
    return found_;
  }

 private:
  [[nodiscard]] bool at_end() const { return position_ == text_.size(); }
  /// The byte at the position; NUL, which no rule accepts, at the end.
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[position_]; }

  bool refuse(std::string reason) {
    found_ = fault{position_, std::move(reason)};
    return false;
  }

  bool refuse_depth() { return refuse(fmt::format("the document nests deeper than {} levels", depth_limit())); }

  bool accept(char c) {
    if (at_end() || text_[position_] != c) {
      return false;
    }
    ++position_;
    return true;
  }

  void skip_space() { position_ = std::min(text_.find_first_not_of(" \t\n\r", position_), text_.size()); }

  bool read_value(std::size_t depth) {
    switch (peek()) {
      case '{':
        return depth < depth_limit() ? read_object(depth) : refuse_depth();
      case '[':
        return depth < depth_limit() ? read_array(depth) : refuse_depth();
      case '"':
        return read_string();
      case 't':
        return read_literal("true");
      case 'f':
        return read_literal("false");
      case 'n':
        return read_literal("null");
      default:
        return read_number();
    }
  }

  bool read_object(std::size_t depth) {
    ++position_;
    skip_space();
    if (accept('}')) {
      return true;
    }
    for (;;) {
      skip_space();
      if (peek() != '"') {
        return refuse("expected a member's name in quotes");
      }
      if (!read_string()) {
        return false;
      }
      skip_space();
      if (!accept(':')) {
        return refuse("expected ':'");
      }
      skip_space();
      if (!read_value(depth + 1)) {
        return false;
      }
      skip_space();
      if (accept('}')) {
        return true;
      }
      if (!accept(',')) {
        return refuse("expected ',' or '}'");
      }
    }
  }

  bool read_array(std::size_t depth) {
    ++position_;
    skip_space();
    if (accept(']')) {
      return true;
    }
    for (;;) {
      skip_space();
      if (!read_value(depth + 1)) {
        return false;
      }
      skip_space();
      if (accept(']')) {
        return true;
      }
      if (!accept(',')) {
        return refuse("expected ',' or ']'");
      }
    }
  }

  bool read_string() {
    ++position_;
    while (!at_end()) {
      const auto c = static_cast<unsigned char>(peek());
      if (c == '"') {
        ++position_;
        return true;
      }
      if (c < 0x20) {
        return refuse("a control character in a string must be escaped");
      }
      if (c == '\\') {
        if (!read_escape()) {
          return false;
        }
        continue;
      }
      const std::size_t length = utf8_sequence(text_.substr(position_));
      if (length == 0) {
        return refuse("not valid UTF-8");
      }
      position_ += length;
    }
    return refuse("the string is not closed");
  }

  bool read_escape() {
    constexpr std::string_view simple = "\"\\/bfnrt";
    if (position_ + 1 < text_.size() && simple.contains(text_[position_ + 1])) {
      position_ += 2;
      return true;
    }
    const auto first = code_unit(position_);
    if (!first) {
      return refuse("not an escape that JSON knows");
    }
    const bool high = *first >= 0xD800 && *first <= 0xDBFF;
    if (*first >= 0xDC00 && *first <= 0xDFFF) {
      return refuse("half of a surrogate pair");
    }
    if (high) {
      const auto second = code_unit(position_ + 6);
      if (!second || *second < 0xDC00 || *second > 0xDFFF) {
        return refuse("half of a surrogate pair");
      }
    }
    position_ += high ? 12 : 6;
    return true;
  }

  /// The value of the \uXXXX at `where`, if one is there.
  [[nodiscard]] std::optional<unsigned> code_unit(std::size_t where) const {
    const std::string_view text = where < text_.size() ? text_.substr(where, 6) : std::string_view{};
    if (text.size() < 6 || !text.starts_with("\\u") || !std::all_of(text.begin() + 2, text.end(), ascii::is_hex)) {
      return std::nullopt;
    }
    unsigned unit = 0;
    std::from_chars(text.data() + 2, text.data() + 6, unit, 16);
    return unit;
  }

  bool read_literal(std::string_view word) {
    for (const char c : word) {
      if (!accept(c)) {
        return refuse("expected a value");
      }
    }
    return true;
  }

  bool read_number() {
    const bool negative = accept('-');
    if (!ascii::is_digit(peek())) {
      return refuse(negative ? "expected a digit" : "expected a value");
    }
    if (accept('0')) {
      if (ascii::is_digit(peek())) {
        return refuse("a number must not begin with 0");
      }
    } else {
      skip_digits();
    }
    if (accept('.')) {
      if (!ascii::is_digit(peek())) {
        return refuse("expected a digit");
      }
      skip_digits();
    }
    if (accept('e') || accept('E')) {
      if (!accept('+')) {
        accept('-');
      }
      if (!ascii::is_digit(peek())) {
        return refuse("expected a digit");
      }
      skip_digits();
    }
    return true;
  }

  void skip_digits() {
    while (ascii::is_digit(peek())) {
      ++position_;
    }
  }

  std::string_view text_;
  std::size_t position_ = 0;
  std::optional<fault> found_;
};

/// The same number, or one that fits, followed by spaces to the same length.
inline void bound_number(char* begin, char* end) {
  const std::string_view text{begin, end};
  std::string_view nearest;
  if (text.find_first_of(".eE") == std::string_view::npos) {
    std::int64_t number = 0;
    if (std::from_chars(begin, end, number).ec == std::errc::result_out_of_range) {
      nearest = text.front() == '-' ? "-9223372036854775808" : "9223372036854775807";
    }
  } else {
    double number = 0;
    if (std::from_chars(begin, end, number).ec == std::errc::result_out_of_range) {
      nearest = "0.5";
    }
  }
  if (!nearest.empty()) {
    std::fill(std::copy(nearest.begin(), nearest.end(), begin), end, ' ');
  }
}

}  // namespace detail

/// The first fault of `text` by RFC 8259 with UTF-8 inside strings and at most depth_limit() levels; nullopt for a
/// valid document. Numbers may be of any size, members may repeat.
inline std::optional<fault> find_fault(std::string_view text) { return detail::scanner{text}.run(); }

/// "line 2, column 5: ...", both counted from 1, columns in bytes.
inline std::string describe(const fault& f, std::string_view text) {
  const std::string_view before = text.substr(0, f.offset);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("line {}, column {}: {}", 1 + std::count(before.begin(), before.end(), '\n'),
                     before.size() - line_start + 1, f.reason);
}

/// A valid document with every number that no 64-bit type can hold replaced by one that can: integers by the nearest
/// 64-bit one, others by 0.5. The length stays the same.
inline std::string with_bounded_numbers(std::string_view valid) {
  std::string text{valid};
  std::size_t i = 0;
  while (i < text.size()) {
    if (text[i] == '"') {
      for (++i; text[i] != '"'; ++i) {
        i += text[i] == '\\' ? 1U : 0U;
      }
      ++i;
    } else if (text[i] == '-' || ascii::is_digit(text[i])) {
      const std::size_t end = std::min(text.find_first_not_of("+-.0123456789eE", i), text.size());
      detail::bound_number(text.data() + i, text.data() + end);
      i = end;
    } else {
      ++i;
    }
  }
  return text;
}

}  // namespace coffer::json
