#include "coffer/base/hash.hpp"

#include <openssl/evp.h>

#include "coffer/base/assert.hpp"

namespace coffer {

sha256_digest sha256(std::string_view data) {
  sha256_digest digest;
  unsigned int size = 0;
  // Fails only without memory or without the algorithm, and then nothing else works either.
  const int done = EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
                              EVP_sha256(), nullptr);
  COFFER_ASSERT(done == 1 && size == digest.size());
  return digest;
}

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    text += digits[std::to_integer<std::size_t>(b >> 4)];
    text += digits[std::to_integer<std::size_t>(b & std::byte{15})];
  }
  return text;
}

}  // namespace coffer
