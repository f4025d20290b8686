// From the header Authorization to who sends a request. One per thread; knows no database: what it cannot tell from
// memory it says.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "coffer/auth/key_ring.hpp"
#include "coffer/auth/principal.hpp"
#include "coffer/auth/token.hpp"

namespace coffer::auth {

struct authenticator_options {
  bool required = false;   ///< false: everybody may do everything, whatever they send
  bool test_keys = false;  ///< whether keys of the kind test are good for anything
  token_rules tokens;
};

/// What is known of credentials that are refused.
enum class refused_as : std::uint8_t {
  missing,      ///< there were none
  wrong,        ///< they may be a guess
  out_of_time,  ///< a token that was signed by who may, expired or not in force yet: no guess
};

/// Why credentials are refused. The text is for the client and has static storage.
struct refusal {
  refused_as what = refused_as::wrong;
  std::string_view detail;
};

/// A key that has the right form and is not known yet: ask the database, then tell the ring.
struct unknown_key {
  key_text key;
};

/// A token whose signature is still to be checked, which costs as much as many requests: count the attempt, then call
/// verify().
struct unverified_token {
  std::string_view text;  ///< of the header that was checked
  sha256_digest digest;
};

using checked = std::variant<principal, refusal, unknown_key, unverified_token>;

/// Checks credentials. A key or token that was seen before costs one SHA-256 and one look-up.
class authenticator {
 public:
  using clock = key_ring::clock;

  /// How many verified tokens are remembered, twice over; the ones used least recently are forgotten.
  static constexpr std::size_t token_capacity = 4096;

  explicit authenticator(authenticator_options how) : how_{std::move(how)} {}

  /// The sender of a request with this Authorization header; `headers` is how many of them there are.
  checked check(std::optional<std::string_view> authorization, std::size_t headers, clock::time_point now);

  /// The sender with this token, or the refusal.
  checked verify(const unverified_token& token);

  /// What the database said of an unknown key: the sender, or the refusal.
  checked learn(const auth::unknown_key& asked, const std::optional<key_record>& found, clock::time_point now);

  [[nodiscard]] bool required() const { return how_.required; }
  [[nodiscard]] key_ring& ring() { return ring_; }
  /// Tokens are checked against these from now on; null: there are no tokens.
  void replace_token_keys(std::shared_ptr<const jwt_keys> keys);

 private:
  using tokens = std::unordered_map<sha256_digest, player_token, digest_hash>;

  /// The sender with this key, which is in force as far as the ring knows.
  [[nodiscard]] checked admit(const key_set::entry& key) const;
  checked check_key(std::string_view text, clock::time_point now);
  checked check_token(std::string_view text);
  [[nodiscard]] checked admit(const player_token& token) const;
  /// The token if it was verified before.
  const player_token* recall(const sha256_digest& digest);
  const player_token& remember(const sha256_digest& digest, const player_token& token);

  authenticator_options how_;
  key_ring ring_;
  std::shared_ptr<const jwt_keys> token_keys_;
  tokens young_;  ///< verified or used since the last turn
  tokens old_;    ///< before that; thrown away at the next turn
};

}  // namespace coffer::auth
