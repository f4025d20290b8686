#include "support/token_maker.hpp"

#include <chrono>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "coffer/base/base64url.hpp"

namespace coffer::test {

namespace {

const unsigned char* bytes_of(const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); }

EVP_PKEY* make_key(const std::string& algorithm) {
  if (algorithm == "ES256") {
    return EVP_EC_gen("P-256");
  }
  return algorithm == "RS256" ? EVP_RSA_gen(2048) : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
}

/// A number of the key, `size` bytes of it; 0: as many as it takes.
std::string number_of(EVP_PKEY* key, const char* name, int size) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, name, &number);
  std::string bytes(static_cast<std::size_t>(size == 0 ? BN_num_bytes(number) : size), '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  BN_free(number);
  return to_base64url(bytes);
}

}  // namespace

token_maker::token_maker(std::string algorithm, std::string kid)
    : algorithm_{std::move(algorithm)}, kid_{std::move(kid)} {
  if (algorithm_ == "HS256") {
    secret_ = "a secret of the tests for key " + kid_ + std::string(16, '!');
    return;
  }
  key_ = {make_key(algorithm_), [](void* k) { EVP_PKEY_free(static_cast<EVP_PKEY*>(k)); }};
  if (!key_) {
    throw std::runtime_error("no key for " + algorithm_);
  }
}

std::string token_maker::head() const {
  return fmt::format(R"({{"alg":"{}","kid":"{}","typ":"JWT"}})", algorithm_, kid_);
}

std::string token_maker::sign(const std::string& claims, const std::string& head) const {
  const std::string bytes = to_base64url(head.empty() ? this->head() : head) + "." + to_base64url(claims);
  return bytes + "." + to_base64url(signature_of(bytes));
}

std::string token_maker::signature_of(const std::string& bytes) const {
  unsigned char made[512];
  if (algorithm_ == "HS256") {
    unsigned int size = 0;
    HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), bytes_of(bytes), bytes.size(), made, &size);
    return {reinterpret_cast<char*>(made), size};
  }
  std::size_t size = sizeof made;
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  EVP_DigestSignInit(context, nullptr, algorithm_ == "EdDSA" ? nullptr : EVP_sha256(), nullptr,
                     static_cast<EVP_PKEY*>(key_.get()));
  EVP_DigestSign(context, made, &size, bytes_of(bytes), bytes.size());
  EVP_MD_CTX_free(context);
  if (algorithm_ != "ES256") {
    return {reinterpret_cast<char*>(made), size};
  }
  const unsigned char* at = made;
  ECDSA_SIG* const pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
  std::string both(64, '\0');
  BN_bn2binpad(ECDSA_SIG_get0_r(pair), reinterpret_cast<unsigned char*>(both.data()), 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(pair), reinterpret_cast<unsigned char*>(both.data()) + 32, 32);
  ECDSA_SIG_free(pair);
  return both;
}

std::string token_maker::jwk() const {
  auto* const key = static_cast<EVP_PKEY*>(key_.get());
  const std::string common = fmt::format(R"("kid":"{}","alg":"{}","use":"sig")", kid_, algorithm_);
  if (algorithm_ == "HS256") {
    return fmt::format(R"({{"kty":"oct","k":"{}",{}}})", to_base64url(secret_), common);
  }
  if (algorithm_ == "ES256") {
    return fmt::format(R"({{"kty":"EC","crv":"P-256","x":"{}","y":"{}",{}}})",
                       number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, 32), number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32),
                       common);
  }
  if (algorithm_ == "RS256") {
    return fmt::format(R"({{"kty":"RSA","n":"{}","e":"{}",{}}})", number_of(key, OSSL_PKEY_PARAM_RSA_N, 0),
                       number_of(key, OSSL_PKEY_PARAM_RSA_E, 0), common);
  }
  unsigned char raw[32];
  std::size_t size = sizeof raw;
  EVP_PKEY_get_raw_public_key(key, raw, &size);
  return fmt::format(R"({{"kty":"OKP","crv":"Ed25519","x":"{}",{}}})",
                     to_base64url({reinterpret_cast<char*>(raw), size}), common);
}

std::string claims_for(std::int64_t user, const std::string& more, std::int64_t valid_for_s) {
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  return fmt::format(R"({{"iss":"game","aud":"coffer","sub":"{}","exp":{}{}}})", user, now.count() + valid_for_s, more);
}

}  // namespace coffer::test
