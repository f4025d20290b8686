// UTF-8 and escaping for whatever leaves the process as JSON. Knows no values, only bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "coffer/base/ascii.hpp"

namespace coffer {

namespace detail {

/// Whether a byte can stand in a JSON string as it is.
constexpr std::array<bool, 256> make_plain() {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x7F; ++c) {
    plain[c] = c != '"' && c != '\\';
  }
  return plain;
}
inline constexpr std::array<bool, 256> plain = make_plain();

inline void append_escaped(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  out += "\\u00";
  out += ascii::hex_digits[c >> 4U];
  out += ascii::hex_digits[c & 15U];
}

constexpr unsigned char byte_at(std::string_view text, std::size_t index) {
  return static_cast<unsigned char>(text[index]);
}

constexpr bool in_range(unsigned char c, unsigned char low, unsigned char high) { return c >= low && c <= high; }

}  // namespace detail

/// The length in bytes, 1 to 4, of the well-formed UTF-8 sequence that `text` begins with (Unicode, table 3-7); 0 when
/// there is none.
inline std::size_t utf8_sequence(std::string_view text) noexcept {
  if (text.empty()) {
    return 0;
  }
  const unsigned char lead = detail::byte_at(text, 0);
  if (lead < 0x80) {
    return 1;
  }
  const std::size_t length = detail::in_range(lead, 0xC2, 0xDF)   ? 2
                             : (lead & 0xF0U) == 0xE0U            ? 3
                             : detail::in_range(lead, 0xF0, 0xF4) ? 4
                                                                  : 0;
  if (length == 0 || text.size() < length) {
    return 0;
  }
  // The second byte's range is what rules out overlong forms, surrogates and values past U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (!detail::in_range(detail::byte_at(text, 1), low, high)) {
    return 0;
  }
  for (std::size_t i = 2; i < length; ++i) {
    if (!detail::in_range(detail::byte_at(text, i), 0x80, 0xBF)) {
      return 0;
    }
  }
  return length;
}

namespace detail {

struct code_range {
  char32_t first;
  char32_t last;
};

/// White_Space and Default_Ignorable_Code_Point of Unicode 15, in order.
inline constexpr code_range unseen[] = {
    {0x0009, 0x000D}, {0x0020, 0x0020}, {0x0085, 0x0085},   {0x00A0, 0x00A0},   {0x00AD, 0x00AD},   {0x034F, 0x034F},
    {0x061C, 0x061C}, {0x115F, 0x1160}, {0x1680, 0x1680},   {0x17B4, 0x17B5},   {0x180B, 0x180F},   {0x2000, 0x200F},
    {0x2028, 0x202F}, {0x205F, 0x206F}, {0x3000, 0x3000},   {0x3164, 0x3164},   {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},
    {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFF8}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

/// The character of a sequence that utf8_sequence() has found.
inline char32_t code_point(std::string_view sequence) {
  const unsigned char lead = byte_at(sequence, 0);
  if (sequence.size() == 1) {
    return lead;
  }
  char32_t made = lead & (0xFFU >> (sequence.size() + 1));
  for (std::size_t i = 1; i < sequence.size(); ++i) {
    made = made << 6U | (byte_at(sequence, i) & 0x3FU);
  }
  return made;
}

}  // namespace detail

/// Whether UTF-8 has a character that can be seen: neither a space nor one of Unicode's Default_Ignorable_Code_Point
/// (zero-width spaces and joiners, variation selectors, marks of direction).
inline bool has_visible(std::string_view utf8) noexcept {
  while (!utf8.empty()) {
    const std::size_t length = utf8_sequence(utf8);
    if (length == 0) {
      return true;
    }
    const char32_t c = detail::code_point(utf8.substr(0, length));
    if (std::ranges::none_of(detail::unseen, [c](detail::code_range r) { return c >= r.first && c <= r.last; })) {
      return true;
    }
    utf8.remove_prefix(length);
  }
  return false;
}

/// As much of the front of `text` as fits `max_bytes` without cutting a character in two.
inline std::string_view truncate(std::string_view text, std::size_t max_bytes) noexcept {
  if (text.size() <= max_bytes) {
    return text;
  }
  std::size_t end = max_bytes;
  while (end > 0 && max_bytes - end < 3 && (detail::byte_at(text, end) & 0xC0U) == 0x80U) {
    --end;
  }
  return text.substr(0, end);
}

namespace detail {

/// How many bytes from the start of `text`, in eights, stand for themselves in a JSON string.
inline std::size_t plain_prefix(std::string_view text) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t highs = 0x8080808080808080;
  // Sets the high bit of the bytes that are zero, and of none below the first of them.
  const auto zeros = [](std::uint64_t v) { return (v - ones) & ~v; };
  std::size_t done = 0;
  while (text.size() - done >= 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data() + done, 8);
    // Not ASCII, a control character (its upper three bits are zero, or DEL), a quote, a backslash.
    const std::uint64_t special = eight | zeros(eight & (ones * 0xE0)) | zeros(eight ^ (ones * '"')) |
                                  zeros(eight ^ (ones * '\\')) | zeros(eight ^ (ones * 0x7F));
    if ((special & highs) != 0) {
      break;
    }
    done += 8;
  }
  return done;
}

}  // namespace detail

/// Appends `text` as the inside of a JSON string (RFC 8259 section 7). The result is valid whatever the bytes are: what
/// is not UTF-8 becomes U+FFFD, one for each byte. DEL is escaped too, for the sake of terminals.
inline void append_json_escaped(std::string& out, std::string_view text) {
  std::size_t done = 0;
  std::size_t i = detail::plain_prefix(text);
  while (i < text.size()) {
    const unsigned char c = detail::byte_at(text, i);
    if (detail::plain[c]) {
      ++i;
      continue;
    }
    if (const std::size_t length = c < 0x80 ? 0 : utf8_sequence(text.substr(i)); length > 0) {
      i += length;
      continue;
    }
    out.append(text, done, i - done);
    if (c < 0x80) {
      detail::append_escaped(out, c);
    } else {
      out += "\\ufffd";
    }
    done = ++i;
  }
  out.append(text, done);
}

}  // namespace coffer
