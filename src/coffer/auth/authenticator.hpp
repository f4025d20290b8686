// From the header Authorization to who sends a request. One per thread; knows no database: what it cannot tell from
// memory it says.
#pragma once

#include <algorithm>
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
#include "coffer/base/ascii.hpp"
#include "coffer/base/metrics.hpp"

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

namespace detail {

inline constexpr std::string_view scheme = "bearer";
inline constexpr std::string_view not_in_force = "The key is unknown, revoked or expired.";

/// The token of "Bearer <token>" (RFC 6750 section 2.1; the scheme in any case, RFC 9110 section 11.1).
inline std::optional<std::string_view> bearer_of(std::string_view header) {
  const std::string_view word = header.substr(0, scheme.size());
  const bool is_bearer = std::ranges::equal(word, scheme, [](char a, char b) { return ascii::to_lower(a) == b; });
  if (!is_bearer || header.size() <= scheme.size() || header[scheme.size()] != ' ') {
    return std::nullopt;
  }
  header.remove_prefix(scheme.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

/// What becomes of credentials; one set for all threads.
struct counters {
  metrics::counter checked = make("token_checked");
  metrics::counter verified = make("token_verified");
  metrics::counter missing = make("missing");
  metrics::counter refused = make("refused");

  static const counters& get() {
    static const counters all;
    return all;
  }

 private:
  static metrics::counter make(const char* what) {
    return metrics::make_counter("coffer_auth_events_total",
                                 "Requests without credentials, with refused ones, tokens whose signature was "
                                 "checked, and those of them that were right",
                                 {{"event", what}});
  }
};

inline refusal refuse(std::string_view detail, refused_as what = refused_as::wrong) {
  counters::get().refused.add();
  return {what, detail};
}

}  // namespace detail

inline checked authenticator::check(std::optional<std::string_view> authorization, std::size_t headers,
                                    clock::time_point now) {
  if (!how_.required) {
    return anybody;
  }
  if (!authorization) {
    detail::counters::get().missing.add();
    return refusal{refused_as::missing, "Send a server key or a player's token as Authorization: Bearer."};
  }
  if (headers != 1) {
    return detail::refuse("There must be one Authorization header.");
  }
  const auto text = detail::bearer_of(*authorization);
  if (!text) {
    return detail::refuse("The Authorization header must be Bearer, a space and a server key or a player's token.");
  }
  return text->starts_with("cof_") ? check_key(*text, now) : check_token(*text);
}

inline checked authenticator::check_key(std::string_view text, clock::time_point now) {
  const auto key = read_key(text);
  if (!key) {
    return detail::refuse("The key is not complete or has a typing error.");
  }
  const key_ring::answer known = ring_.find(key->digest, now);
  if (known.key != nullptr) {
    return admit(*known.key);
  }
  if (known.unknown) {
    return detail::refuse(detail::not_in_force);
  }
  return unknown_key{*key};
}

inline checked authenticator::learn(const auth::unknown_key& asked, const std::optional<key_record>& found,
                                    clock::time_point now) {
  if (found) {
    return admit(*ring_.remember(*found));
  }
  ring_.remember_unknown(asked.key.digest, now);
  return detail::refuse(detail::not_in_force);
}

inline checked authenticator::admit(const key_set::entry& key) const {
  const timestamp time = coffer::now();
  if (key.key.expires_at && time >= *key.key.expires_at) {
    return detail::refuse(detail::not_in_force);
  }
  if (key.key.kind == key_kind::test && !how_.test_keys) {
    return detail::refuse("This server does not accept test keys.");
  }
  key.use->note(std::chrono::floor<std::chrono::seconds>(time));
  return principal{.scopes = key.key.scopes, .key = key.key.id, .only = std::nullopt};
}

inline checked authenticator::check_token(std::string_view text) {
  if (!token_keys_) {
    return detail::refuse(
        "The Authorization header does not hold a server key, and this server takes no players' tokens.");
  }
  const sha256_digest digest = sha256(text);
  const player_token* const token = recall(digest);
  return token == nullptr ? unverified_token{.text = text, .digest = digest} : admit(*token);
}

inline checked authenticator::verify(const unverified_token& token) {
  detail::counters::get().checked.add();
  const auto verified = verify_token(token.text, *token_keys_, how_.tokens);
  if (!verified) {
    return detail::refuse(verified.error());
  }
  detail::counters::get().verified.add();
  return admit(remember(token.digest, *verified));
}

inline checked authenticator::admit(const player_token& token) const {
  if (const auto in_force = token.check_time(coffer::now(), how_.tokens.leeway); !in_force) {
    return detail::refuse(in_force.error(), refused_as::out_of_time);
  }
  return principal{.scopes = token.scopes, .key = 0, .only = token.user};
}

inline void authenticator::replace_token_keys(std::shared_ptr<const jwt_keys> keys) {
  token_keys_ = std::move(keys);
  young_.clear();
  old_.clear();
}

inline const player_token* authenticator::recall(const sha256_digest& digest) {
  if (const auto found = young_.find(digest); found != young_.end()) {
    return &found->second;
  }
  const auto found = old_.find(digest);
  return found == old_.end() ? nullptr : &remember(digest, player_token{found->second});
}

inline const player_token& authenticator::remember(const sha256_digest& digest, const player_token& token) {
  if (young_.size() >= token_capacity) {
    old_ = std::move(young_);
    young_.clear();
  }
  return young_.insert_or_assign(digest, token).first->second;
}

}  // namespace coffer::auth
