#include "coffer/auth/authenticator.hpp"

#include <algorithm>

#include "coffer/base/metrics.hpp"

namespace coffer::auth {

namespace {

constexpr std::string_view scheme = "bearer";
constexpr std::string_view not_in_force = "The key is unknown, revoked or expired.";

/// The token of "Bearer <token>" (RFC 6750 section 2.1; the scheme in any case, RFC 9110 section 11.1).
std::optional<std::string_view> bearer_of(std::string_view header) {
  const std::string_view word = header.substr(0, scheme.size());
  const bool is_bearer = std::ranges::equal(
      word, scheme, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b; });
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

refusal refuse(std::string_view detail, refused_as what = refused_as::wrong) {
  counters::get().refused.add();
  return {what, detail};
}

}  // namespace

checked authenticator::check(std::optional<std::string_view> authorization, std::size_t headers,
                             clock::time_point now) {
  if (!how_.required) {
    return anybody;
  }
  if (!authorization) {
    counters::get().missing.add();
    return refusal{refused_as::missing, "Send a server key or a player's token as Authorization: Bearer."};
  }
  if (headers != 1) {
    return refuse("There must be one Authorization header.");
  }
  const auto text = bearer_of(*authorization);
  if (!text) {
    return refuse("The Authorization header must be Bearer, a space and a server key or a player's token.");
  }
  return text->starts_with("cof_") ? check_key(*text, now) : check_token(*text);
}

checked authenticator::check_key(std::string_view text, clock::time_point now) {
  const auto key = read_key(text);
  if (!key) {
    return refuse("The key is not complete or has a typing error.");
  }
  const key_ring::answer known = ring_.find(key->digest, now);
  if (known.key != nullptr) {
    return admit(*known.key);
  }
  if (known.unknown) {
    return refuse(not_in_force);
  }
  return unknown_key{*key};
}

checked authenticator::learn(const auth::unknown_key& asked, const std::optional<key_record>& found,
                             clock::time_point now) {
  if (found) {
    return admit(*ring_.remember(*found));
  }
  ring_.remember_unknown(asked.key.digest, now);
  return refuse(not_in_force);
}

checked authenticator::admit(const key_set::entry& key) const {
  const timestamp time = coffer::now();
  if (key.key.expires_at && time >= *key.key.expires_at) {
    return refuse(not_in_force);
  }
  if (key.key.kind == key_kind::test && !how_.test_keys) {
    return refuse("This server does not accept test keys.");
  }
  key.use->note(std::chrono::floor<std::chrono::seconds>(time));
  return principal{.scopes = key.key.scopes, .key = key.key.id, .only = std::nullopt};
}

checked authenticator::check_token(std::string_view text) {
  if (!token_keys_) {
    return refuse("The Authorization header does not hold a server key, and this server takes no players' tokens.");
  }
  const sha256_digest digest = sha256(text);
  const player_token* const token = recall(digest);
  return token == nullptr ? unverified_token{.text = text, .digest = digest} : admit(*token);
}

checked authenticator::verify(const unverified_token& token) {
  counters::get().checked.add();
  const auto verified = verify_token(token.text, *token_keys_, how_.tokens);
  if (!verified) {
    return refuse(verified.error());
  }
  counters::get().verified.add();
  return admit(remember(token.digest, *verified));
}

checked authenticator::admit(const player_token& token) const {
  if (const auto in_force = token.check_time(coffer::now(), how_.tokens.leeway); !in_force) {
    return refuse(in_force.error(), refused_as::out_of_time);
  }
  return principal{.scopes = token.scopes, .key = 0, .only = token.user};
}

void authenticator::replace_token_keys(std::shared_ptr<const jwt_keys> keys) {
  token_keys_ = std::move(keys);
  young_.clear();
  old_.clear();
}

const player_token* authenticator::recall(const sha256_digest& digest) {
  if (const auto found = young_.find(digest); found != young_.end()) {
    return &found->second;
  }
  const auto found = old_.find(digest);
  return found == old_.end() ? nullptr : &remember(digest, player_token{found->second});
}

const player_token& authenticator::remember(const sha256_digest& digest, const player_token& token) {
  if (young_.size() >= token_capacity) {
    old_ = std::move(young_);
    young_.clear();
  }
  return young_.insert_or_assign(digest, token).first->second;
}

}  // namespace coffer::auth
