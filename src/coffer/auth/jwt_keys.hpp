// The keys that players' tokens are signed with, read from a JSON Web Key Set (RFC 7517). libcrypto stays in
// jwt_keys.cpp.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::auth {

/// Signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1). "none" is not among them.
enum class algorithm : std::uint8_t { hs256, es256, eddsa, rs256 };

/// "HS256", "ES256", "EdDSA", "RS256".
std::string_view to_string(algorithm a) noexcept;
std::optional<algorithm> algorithm_from_string(std::string_view name) noexcept;

/// One key, fit for one algorithm: what its type says, never what a token asks for (RFC 8725 section 3.1).
class jwt_key {
 public:
  /// Whether this key signed the bytes. Constant time for shared secrets.
  [[nodiscard]] bool verifies(std::string_view bytes, std::string_view signature) const;

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] auth::algorithm algorithm() const { return algorithm_; }

 private:
  friend class jwks_reader;

  std::string id_;
  auth::algorithm algorithm_ = auth::algorithm::es256;
  std::string secret_;            ///< of HS256
  std::shared_ptr<void> public_;  ///< libcrypto's EVP_PKEY of the others
};

/// The keys in force. Immutable, shared by all threads.
class jwt_keys {
 public:
  /// At most this many keys are used: rotation needs two or three. Also how many skipped ones are told.
  static constexpr std::size_t max_keys = 64;

  /// Reads a key set: RSA of 2048 to 8192 bits (RS256), EC P-256 (ES256), OKP Ed25519 (EdDSA), oct of 32 bytes and more
  /// (HS256). A key that is for something else, or of which no use can be made, is skipped (RFC 7517 section 5). The
  /// set is refused when no key is left, when a private key is in it, or when two usable keys have one `kid`; the error
  /// is a sentence for the operator that names the key. A key without `kid` is usable when it is the only one.
  static std::expected<jwt_keys, std::string> parse(std::string text, const std::vector<algorithm>& allowed);

  /// The key called `id`; without a name, or when the only key has none, the only one there is. Null when there is
  /// none.
  [[nodiscard]] const jwt_key* find(std::optional<std::string_view> id) const;
  [[nodiscard]] std::size_t size() const { return keys_.size(); }
  /// A sentence for each key that was skipped.
  [[nodiscard]] const std::vector<std::string>& skipped() const { return skipped_; }

 private:
  void skip(std::string why);

  std::vector<jwt_key> keys_;
  std::vector<std::string> skipped_;
};

}  // namespace coffer::auth
