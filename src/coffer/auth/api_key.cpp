#include "coffer/auth/api_key.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace coffer::auth {

namespace {

constexpr std::string_view live_prefix = "cof_live_";
constexpr std::string_view test_prefix = "cof_test_";
constexpr std::size_t secret_size = 32;
constexpr std::size_t checksum_size = 6;
constexpr std::size_t hint_size = 4;
constexpr std::string_view alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t crc = byte;
    for (int i = 0; i < 8; ++i) {
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
    }
    table[byte] = crc;
  }
  return table;
}

/// CRC-32 of ISO 3309, as in zlib and PNG.
std::uint32_t crc32(std::string_view bytes) {
  static constexpr auto table = make_crc_table();
  std::uint32_t crc = ~std::uint32_t{0};
  for (const char c : bytes) {
    crc = (crc >> 8U) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFFU];
  }
  return ~crc;
}

/// 62^6 is more than 2^32: the whole checksum fits.
std::array<char, checksum_size> checksum_of(std::string_view front) {
  std::array<char, checksum_size> text{};
  std::uint32_t left = crc32(front);
  for (auto at = text.rbegin(); at != text.rend(); ++at) {
    *at = alphabet[left % alphabet.size()];
    left /= static_cast<std::uint32_t>(alphabet.size());
  }
  return text;
}

/// Characters that are all equally likely: bytes beyond the largest multiple of 62 are thrown away.
std::string random_text(std::size_t size) {
  constexpr unsigned char fair = 256 / alphabet.size() * alphabet.size();
  std::string text;
  std::array<unsigned char, 64> bytes{};
  while (text.size() < size) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno != EINTR) {
      throw std::system_error{errno, std::generic_category(), "getrandom"};
    }
    for (ssize_t i = 0; i < got && text.size() < size; ++i) {
      const unsigned char byte = bytes[static_cast<std::size_t>(i)];
      if (byte < fair) {
        text += alphabet[byte % alphabet.size()];
      }
    }
  }
  return text;
}

}  // namespace

std::string make_key(key_kind kind) {
  std::string key{kind == key_kind::live ? live_prefix : test_prefix};
  key += random_text(secret_size);
  const auto checksum = checksum_of(key);
  return key.append(checksum.data(), checksum.size());
}

std::optional<key_text> read_key(std::string_view text) {
  const bool live = text.starts_with(live_prefix);
  if (text.size() != live_prefix.size() + secret_size + checksum_size || (!live && !text.starts_with(test_prefix))) {
    return std::nullopt;
  }
  const std::string_view front = text.substr(0, text.size() - checksum_size);
  const auto expected = checksum_of(front);
  // Not a secret: the checksum follows from the rest of the same text.
  if (!std::equal(expected.begin(), expected.end(), text.begin() + static_cast<std::ptrdiff_t>(front.size()))) {
    return std::nullopt;
  }
  return key_text{live ? key_kind::live : key_kind::test, sha256(text)};
}

std::string_view hint_of(std::string_view key) {
  return key.size() < hint_size ? key : key.substr(key.size() - hint_size);
}

}  // namespace coffer::auth
