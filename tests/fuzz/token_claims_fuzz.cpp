// What tokens claim. Each is signed with the server's key, so that nothing but its claims keeps it out: whoever enters
// does so by the claims as a reader that shares no code with the server understands them, and the other way round.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <ranges>
#include <string>
#include <utility>

#include "coffer/auth/authenticator.hpp"
#include "coffer/json/reader.hpp"
#include "fuzz/fuzz.hpp"
#include "support/json_value.hpp"
#include "support/token_maker.hpp"

namespace {

using namespace coffer;
using namespace std::chrono_literals;
using test::json_value;

constexpr std::int64_t largest_id = 9'007'199'254'740'991;
constexpr std::int64_t last_second_of_9999 = 253'402'300'799;

const test::token_maker& maker() {
  static const test::token_maker made{"HS256", "k"};
  return made;
}

const auth::jwt_keys& keys() {
  static const auth::jwt_keys made = auth::jwt_keys::parse(test::key_set(maker()), {auth::algorithm::hs256}).value();
  return made;
}

const auth::authenticator_options& options() {
  static const auth::authenticator_options made = [] {
    auth::authenticator_options how;
    how.required = true;
    how.tokens.issuer = "i";
    how.tokens.audience = "a";
    how.tokens.leeway = 30s;
    return how;
  }();
  return made;
}

auth::authenticator& door() {
  static auth::authenticator made = [] {
    auth::authenticator d{options()};
    d.replace_token_keys(std::make_shared<const auth::jwt_keys>(keys()));
    return d;
  }();
  return made;
}

/// Whom claims let in, when, and to what.
struct meaning {
  std::int64_t user = 0;
  timestamp until;  ///< leeway not counted
  timestamp from;
  auth::scope_set scopes;

  [[nodiscard]] bool in_force(timestamp at) const { return at < until + 30s && at >= from - 30s; }
};

const json_value* member(const json_value& of, const char* name) { return of.contains(name) ? &of[name] : nullptr; }

bool has_text(const json_value* value, std::string_view text) { return value != nullptr && *value == text; }

std::optional<std::int64_t> id_in(const json_value* sub) {
  if (sub == nullptr || !sub->is_string() || sub->text().empty() || sub->text().size() > 16 || sub->text()[0] == '0') {
    return std::nullopt;
  }
  std::int64_t id = 0;
  for (const char c : sub->text()) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    id = id * 10 + (c - '0');
  }
  return id <= largest_id ? std::optional{id} : std::nullopt;
}

std::optional<timestamp> time_in(const json_value* time) {
  const bool is_number = time != nullptr && !time->dump().empty() &&
                         (time->dump()[0] == '-' || (time->dump()[0] >= '0' && time->dump()[0] <= '9'));
  if (!is_number) {
    return std::nullopt;
  }
  const double microseconds = std::trunc(time->number() * 1e6);
  const bool known = microseconds >= 0 && microseconds < static_cast<double>(last_second_of_9999 + 1) * 1e6;
  return known ? std::optional{timestamp{std::chrono::microseconds{static_cast<std::int64_t>(microseconds)}}}
               : std::nullopt;
}

/// Of what players may do, what the claim lists; all of it without the claim.
auth::scope_set scopes_in(const json_value* claim) {
  constexpr std::pair<auth::scope, std::string_view> of_players[] = {
      {auth::scope::purchases_write, "purchases:write"},
      {auth::scope::inventory_read, "inventory:read"},
      {auth::scope::inventory_write, "inventory:write"},
      {auth::scope::catalog_read, "catalog:read"},
  };
  auth::scope_set set;
  for (const auto& [scope, name] : of_players) {
    const auto is_name = [wanted = name](auto word) { return std::string_view{word.begin(), word.end()} == wanted; };
    if (claim == nullptr ||
        (claim->is_string() && std::ranges::any_of(std::views::split(claim->text(), ' '), is_name))) {
      set.add(scope);
    }
  }
  return set;
}

/// Nullopt: these claims let nobody in, whenever.
std::optional<meaning> meaning_of(const json_value& claims) {
  if (!claims.is_object() || !has_text(member(claims, "iss"), "i")) {
    return std::nullopt;
  }
  const json_value* const audience = member(claims, "aud");
  const bool among = audience != nullptr && audience->is_array() &&
                     std::ranges::any_of(audience->elements(), [](const json_value& each) { return each == "a"; });
  const auto user = id_in(member(claims, "sub"));
  const auto until = time_in(member(claims, "exp"));
  const json_value* const not_before = member(claims, "nbf");
  const auto from = not_before == nullptr ? std::optional{timestamp{}} : time_in(not_before);
  if (!(among || has_text(audience, "a")) || !user || !until || !from) {
    return std::nullopt;
  }
  return meaning{*user, *until, *from, scopes_in(member(claims, "scope"))};
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string claims{fuzz::text_of(data, size)};
  const std::string token = maker().sign(claims);
  std::string copy = claims;
  // What the server's reader refuses may be JSON to others; what it reads is JSON to all.
  const std::optional<meaning> meant =
      json::parse(copy) ? meaning_of(json_value::parse(claims)) : std::optional<meaning>{};

  const auto verified = auth::verify_token(token, keys(), options().tokens);
  fuzz::require(verified.has_value() == meant.has_value(), "a token is good when its claims are");
  if (verified) {
    // A moment that does not move, for inputs at its edges.
    const timestamp moment{2'000'000'000s};
    fuzz::require(verified->check_time(moment, 30s).has_value() == meant->in_force(moment),
                  "a token is in force from nbf to exp");
  }

  const timestamp before = now();
  const std::string header = "Bearer " + token;
  auth::checked found = door().check(header, 1, {});
  if (const auto* const unverified = std::get_if<auth::unverified_token>(&found)) {
    const auth::unverified_token asked = *unverified;
    found = door().verify(asked);
  }
  const auto* const entered = std::get_if<auth::principal>(&found);
  const timestamp after = now();
  fuzz::require(meant || entered == nullptr, "nobody enters with claims that mean nothing");
  if (meant && meant->in_force(before) == meant->in_force(after)) {
    fuzz::require((entered != nullptr) == meant->in_force(before), "a token opens the door while it is in force");
  }
  if (entered != nullptr) {
    fuzz::require(entered->only && entered->only->value == meant->user, "a token is its user's and nobody else's");
    fuzz::require(entered->only->value >= 1 && entered->only->value <= largest_id, "a user's id is in range");
    fuzz::require(entered->scopes == meant->scopes && entered->key == 0, "a token may do what it says and no more");
  }
  return 0;
}
