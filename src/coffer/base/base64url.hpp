// Base64url without padding (RFC 4648 section 5), as tokens and keys spell bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coffer {

namespace detail {

inline constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
inline constexpr std::uint8_t no_digit = 0xFF;

constexpr std::array<std::uint8_t, 256> make_digits() {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_digit);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
inline constexpr std::array<std::uint8_t, 256> digit_values = make_digits();

}  // namespace detail

/// The bytes of unpadded base64url. Nullopt for any other character, an impossible length, or bits left over that are
/// not zero: a text has one spelling.
inline std::optional<std::string> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1) {
    return std::nullopt;
  }
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const std::uint8_t digit = detail::digit_values[static_cast<unsigned char>(c)];
    if (digit == detail::no_digit) {
      return std::nullopt;
    }
    held = (held << 6U | digit) & 0xFFFFU;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(held >> bits & 0xFFU);
    }
  }
  if ((held & ((1U << bits) - 1U)) != 0) {
    return std::nullopt;
  }
  return bytes;
}

/// The spelling of these bytes.
inline std::string to_base64url(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const char c : bytes) {
    held = (held << 8U | static_cast<unsigned char>(c)) & 0xFFFFU;
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      text += detail::alphabet[held >> bits & 63U];
    }
  }
  if (bits > 0) {
    text += detail::alphabet[held << (6 - bits) & 63U];
  }
  return text;
}

}  // namespace coffer
