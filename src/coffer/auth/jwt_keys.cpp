#include "coffer/auth/jwt_keys.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "coffer/base/assert.hpp"
#include "coffer/base/base64url.hpp"
#include "coffer/base/hash.hpp"
#include "coffer/json/reader.hpp"

namespace coffer::auth {

namespace {

constexpr std::array<std::pair<std::string_view, algorithm>, 4> algorithms = {{{"HS256", algorithm::hs256},
                                                                               {"ES256", algorithm::es256},
                                                                               {"EdDSA", algorithm::eddsa},
                                                                               {"RS256", algorithm::rs256}}};

constexpr std::size_t max_id_size = 128;
constexpr std::size_t p256_size = 32;     ///< of a coordinate and of half a signature (RFC 7518 section 3.4)
constexpr std::size_t ed25519_size = 32;  ///< of a key
constexpr std::size_t min_secret = 32;    ///< RFC 7518 section 3.2
constexpr int min_rsa_bits = 2048;        ///< RFC 7518 section 3.3
constexpr int max_rsa_bits = 8192;        ///< larger ones would let a token cost milliseconds

/// Why a key cannot be used; does not leave this file.
struct bad_key {
  std::string why;
  bool spoils_the_set = false;
};

[[noreturn]] void reject(std::string why) { throw bad_key{std::move(why)}; }

struct free_openssl {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
  void operator()(OSSL_PARAM_BLD* p) const { OSSL_PARAM_BLD_free(p); }
  void operator()(OSSL_PARAM* p) const { OSSL_PARAM_free(p); }
  void operator()(BIGNUM* p) const { BN_free(p); }
  void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
  void operator()(unsigned char* p) const { OPENSSL_free(p); }
};
template <typename T>
using owned = std::unique_ptr<T, free_openssl>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

owned<BIGNUM> to_number(std::string_view bytes) {
  return owned<BIGNUM>{BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr)};
}

/// A public key out of its parameters; null when they are none.
owned<EVP_PKEY> make_public(const char* type, OSSL_PARAM_BLD* parts) {
  const owned<OSSL_PARAM> all{OSSL_PARAM_BLD_to_param(parts)};
  const owned<EVP_PKEY_CTX> context{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
  EVP_PKEY* made = nullptr;
  if (!all || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, all.get()) != 1) {
    return nullptr;
  }
  owned<EVP_PKEY> key{made};
  const owned<EVP_PKEY_CTX> check{EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr)};
  if (!check || EVP_PKEY_public_check(check.get()) != 1) {
    return nullptr;
  }
  return key;
}

owned<EVP_PKEY> make_rsa(std::string_view modulus, std::string_view exponent) {
  const owned<BIGNUM> n = to_number(modulus);
  const owned<BIGNUM> e = to_number(exponent);
  const owned<OSSL_PARAM_BLD> parts{OSSL_PARAM_BLD_new()};
  if (!n || !e || !parts || OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  return make_public("RSA", parts.get());
}

owned<EVP_PKEY> make_p256(std::string_view x, std::string_view y) {
  // SEC 1 section 2.3.3: 4 stands for an uncompressed point.
  const std::string point = fmt::format("\x04{}{}", x, y);
  const owned<OSSL_PARAM_BLD> parts{OSSL_PARAM_BLD_new()};
  if (!parts || OSSL_PARAM_BLD_push_utf8_string(parts.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(parts.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) {
    return nullptr;
  }
  return make_public("EC", parts.get());
}

/// ES256 signs with two numbers side by side (RFC 7518 section 3.4), libcrypto takes them in DER. Empty: none.
std::string to_der(std::string_view signature) {
  if (signature.size() != 2 * p256_size) {
    return {};
  }
  owned<BIGNUM> r = to_number(signature.substr(0, p256_size));
  owned<BIGNUM> s = to_number(signature.substr(p256_size));
  const owned<ECDSA_SIG> pair{ECDSA_SIG_new()};
  if (!r || !s || !pair || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) {
    return {};
  }
  // The pair owns them now.
  std::ignore = r.release();
  std::ignore = s.release();
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  const owned<unsigned char> freed{der};
  return size > 0 ? std::string{reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)} : std::string{};
}

bool verify_hmac(std::string_view secret, std::string_view bytes, std::string_view signature) {
  const sha256_digest made = hmac_sha256(secret, bytes);
  return signature.size() == made.size() && CRYPTO_memcmp(made.data(), signature.data(), made.size()) == 0;
}

bool verify_public(EVP_PKEY* key, algorithm with, std::string_view bytes, std::string_view signature) {
  const std::string der = with == algorithm::es256 ? to_der(signature) : std::string{};
  const std::string_view given = with == algorithm::es256 ? std::string_view{der} : signature;
  const owned<EVP_MD_CTX> context{EVP_MD_CTX_new()};
  const EVP_MD* const digest = with == algorithm::eddsa ? nullptr : EVP_sha256();
  return !given.empty() && context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(given), given.size(), bytes_of(bytes), bytes.size()) == 1;
}

}  // namespace

std::string_view to_string(algorithm a) noexcept {
  return std::ranges::find(algorithms, a, &std::pair<std::string_view, algorithm>::second)->first;
}

std::optional<algorithm> algorithm_from_string(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(algorithms, name, &std::pair<std::string_view, algorithm>::first);
  return found == algorithms.end() ? std::nullopt : std::optional{found->second};
}

bool jwt_key::verifies(std::string_view bytes, std::string_view signature) const {
  return algorithm_ == algorithm::hs256
             ? verify_hmac(secret_, bytes, signature)
             : verify_public(static_cast<EVP_PKEY*>(public_.get()), algorithm_, bytes, signature);
}

/// Turns one JSON Web Key into a key. Throws bad_key.
class jwks_reader {
 public:
  explicit jwks_reader(const json::value& from) : from_{from} {}

  jwt_key read() {
    if (from_.kind() != json::kind::object) {
      reject("it is no object");
    }
    for (const char* name : {"d", "p", "q", "dp", "dq", "qi", "oth"}) {
      if (from_.find(name) != nullptr) {
        throw bad_key{"it holds a private key; give the server the public half alone", true};
      }
    }
    if (from_.find("kid") != nullptr) {
      key_.id_ = text("kid");
      if (key_.id_.empty() || key_.id_.size() > max_id_size) {
        reject(fmt::format("its kid must have 1 to {} bytes", max_id_size));
      }
    }
    if (from_.find("use") != nullptr && text("use") != "sig") {
      reject("its use is not sig");
    }
    if (const json::value* const uses = from_.find("key_ops"); uses != nullptr && !may_verify(*uses)) {
      reject("its key_ops do not name verify");
    }
    const std::string type = text("kty");
    if (type == "RSA") {
      read_rsa();
    } else if (type == "EC") {
      read_p256();
    } else if (type == "OKP") {
      read_ed25519();
    } else if (type == "oct") {
      read_secret();
    } else {
      reject(fmt::format("its kty is {}, not RSA, EC, OKP or oct", type));
    }
    if (from_.find("alg") != nullptr && text("alg") != to_string(key_.algorithm_)) {
      reject(
          fmt::format("its alg is {}, but a key of this type is used for {}", text("alg"), to_string(key_.algorithm_)));
    }
    return std::move(key_);
  }

 private:
  static bool may_verify(const json::value& uses) {
    return uses.kind() == json::kind::array && std::ranges::any_of(uses.elements(), [](const json::value& use) {
             return use.kind() == json::kind::string && use.as_string() == "verify";
           });
  }
  void read_rsa() {
    key_.algorithm_ = algorithm::rs256;
    keep(make_rsa(binary("n"), binary("e")));
    const int bits = EVP_PKEY_get_bits(static_cast<EVP_PKEY*>(key_.public_.get()));
    if (bits < min_rsa_bits || bits > max_rsa_bits) {
      reject(fmt::format("it has {} bits, not {} to {}", bits, min_rsa_bits, max_rsa_bits));
    }
  }
  void read_p256() {
    key_.algorithm_ = algorithm::es256;
    curve("P-256");
    const std::string x = binary("x");
    const std::string y = binary("y");
    if (x.size() != p256_size || y.size() != p256_size) {
      reject(fmt::format("its x and y must have {} bytes each", p256_size));
    }
    keep(make_p256(x, y));
  }
  void read_ed25519() {
    key_.algorithm_ = algorithm::eddsa;
    curve("Ed25519");
    const std::string x = binary("x");
    if (x.size() != ed25519_size) {
      reject(fmt::format("its x must have {} bytes", ed25519_size));
    }
    keep(owned<EVP_PKEY>{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x), x.size())});
  }
  void read_secret() {
    key_.algorithm_ = algorithm::hs256;
    key_.secret_ = binary("k");
    if (key_.secret_.size() < min_secret) {
      reject(fmt::format("its k must have at least {} bytes", min_secret));
    }
  }

  void keep(owned<EVP_PKEY> made) {
    if (!made) {
      reject("its numbers are no public key");
    }
    key_.public_ = {made.release(), [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); }};
  }
  void curve(std::string_view wanted) {
    if (text("crv") != wanted) {
      reject(fmt::format("its crv is {}, not {}", text("crv"), wanted));
    }
  }
  std::string text(std::string_view name) {
    const json::value* const found = from_.find(name);
    if (found == nullptr || found->kind() != json::kind::string) {
      reject(fmt::format("it needs the string {}", name));
    }
    return std::string{found->as_string()};
  }
  std::string binary(std::string_view name) {
    auto bytes = from_base64url(text(name));
    if (!bytes || bytes->empty()) {
      reject(fmt::format("its {} is not base64url", name));
    }
    return *std::move(bytes);
  }

  const json::value& from_;
  jwt_key key_;
};

std::expected<jwt_keys, std::string> jwt_keys::parse(std::string text, const std::vector<algorithm>& allowed) {
  const result<json::document> parsed = json::parse(text);
  if (!parsed) {
    return std::unexpected{"is not JSON: " + parsed.error().detail};
  }
  const json::value& root = parsed->root();
  const json::value* const list = root.kind() == json::kind::object ? root.find("keys") : nullptr;
  if (list == nullptr || list->kind() != json::kind::array) {
    return std::unexpected{std::string{R"(is no key set: it must be an object with the list "keys" (RFC 7517))"}};
  }
  jwt_keys all;
  std::vector<std::size_t> nameless;  // places in the document
  for (std::size_t place = 0; place < list->elements().size(); ++place) {
    try {
      jwt_key key = jwks_reader{list->elements()[place]}.read();
      if (std::ranges::find(allowed, key.algorithm()) == allowed.end()) {
        reject(fmt::format("it is for {}, which is not among the allowed algorithms", to_string(key.algorithm())));
      }
      if (key.id().empty()) {
        nameless.push_back(place);
      } else if (std::ranges::find(all.keys_, key.id(), &jwt_key::id) != all.keys_.end()) {
        throw bad_key{fmt::format("another key has the kid {} too", key.id()), true};
      }
      if (all.keys_.size() == max_keys) {
        throw bad_key{fmt::format("there are more than {} usable keys", max_keys), true};
      }
      all.keys_.push_back(std::move(key));
    } catch (const bad_key& e) {
      std::string why = fmt::format("key {}: {}", place, e.why);
      if (e.spoils_the_set) {
        return std::unexpected{std::move(why)};
      }
      all.skip(std::move(why));
    }
  }
  if (all.keys_.size() > 1) {
    // No token could tell which of them it means.
    std::erase_if(all.keys_, [](const jwt_key& key) { return key.id().empty(); });
    for (const std::size_t place : nameless) {
      all.skip(fmt::format("key {}: it has no kid, and there are others", place));
    }
  }
  if (all.keys_.empty()) {
    return std::unexpected{all.skipped_.empty()
                               ? std::string{"must hold a key"}
                               : fmt::format("holds no key of use: {}", fmt::join(all.skipped_, "; "))};
  }
  return all;
}

void jwt_keys::skip(std::string why) {
  if (skipped_.size() < max_keys) {
    skipped_.push_back(std::move(why));
  }
}

const jwt_key* jwt_keys::find(std::optional<std::string_view> id) const {
  if (!id || (keys_.size() == 1 && keys_.front().id().empty())) {
    return keys_.size() == 1 ? &keys_.front() : nullptr;
  }
  const auto found = std::ranges::find(keys_, *id, &jwt_key::id);
  return found == keys_.end() ? nullptr : &*found;
}

}  // namespace coffer::auth
