// Makes and signs JSON Web Tokens, as an app's backend would: a second implementation, so that the server is not tested
// against itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace coffer::test {

/// One signing key.
class token_maker {
 public:
  /// A new key for "HS256", "ES256", "EdDSA" or "RS256".
  token_maker(std::string algorithm, std::string kid);

  /// A signed token with these claims (JSON). `head` replaces the usual header.
  [[nodiscard]] std::string sign(const std::string& claims, const std::string& head = {}) const;
  /// The usual header.
  [[nodiscard]] std::string head() const;
  /// The public half (HS256: the secret) as a JSON Web Key.
  [[nodiscard]] std::string jwk() const;

 private:
  [[nodiscard]] std::string signature_of(const std::string& bytes) const;

  std::string algorithm_;
  std::string kid_;
  std::string secret_;
  std::shared_ptr<void> key_;
};

/// {"keys": [...]}
template <typename... Makers>
std::string key_set(const Makers&... makers) {
  std::string list;
  ((list += (list.empty() ? "" : ",") + makers.jwk()), ...);
  return R"({"keys":[)" + list + "]}";
}

/// Claims for a user, valid for an hour; `more` is added, e.g. R"(,"nbf":1)".
std::string claims_for(std::int64_t user, const std::string& more = {}, std::int64_t valid_for_s = 3600);

}  // namespace coffer::test
