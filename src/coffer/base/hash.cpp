#include "coffer/base/hash.hpp"

#include <limits>
#include <memory>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "coffer/base/ascii.hpp"
#include "coffer/base/assert.hpp"

namespace coffer {

namespace {

struct free_context {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

sha256_digest sha256(std::string_view data) {
  // Fetched once and with one context per thread: looking the algorithm up costs more than hashing a short text.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, free_context> context{EVP_MD_CTX_new()};
  sha256_digest digest;
  unsigned int size = 0;
  // Fails only without memory or without the algorithm, and then nothing else works either.
  const bool done = algorithm != nullptr && context && EVP_DigestInit_ex2(context.get(), algorithm, nullptr) == 1 &&
                    EVP_DigestUpdate(context.get(), data.data(), data.size()) == 1 &&
                    EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &size) == 1;
  COFFER_ASSERT(done && size == digest.size());
  return digest;
}

sha256_digest hmac_sha256(std::string_view key, std::string_view data) {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  COFFER_ASSERT(key.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  sha256_digest digest;
  unsigned int size = 0;
  const auto* const done =
      HMAC(algorithm, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(data.data()),
           data.size(), reinterpret_cast<unsigned char*>(digest.data()), &size);
  COFFER_ASSERT(done != nullptr && size == digest.size());
  return digest;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  const int done = RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count));
  COFFER_ASSERT(done == 1);
  return bytes;
}

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends it with a NUL
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

std::string to_hex(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    text += ascii::hex_digits[std::to_integer<std::size_t>(b >> 4)];
    text += ascii::hex_digits[std::to_integer<std::size_t>(b & std::byte{15})];
  }
  return text;
}

}  // namespace coffer
