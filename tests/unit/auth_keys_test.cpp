// Server keys: their text, the ring in memory, and who gets in.
#include <set>

#include "coffer/auth/authenticator.hpp"
#include "coffer/base/base64url.hpp"
#include "support/catch.hpp"
#include "support/token_maker.hpp"

namespace auth_keys_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

auth::key_record record_of(const std::string& key, std::int64_t id, auth::scope_set scopes = {auth::scope::admin}) {
  auth::key_record r;
  r.id = id;
  r.kind = key.starts_with("cof_test_") ? auth::key_kind::test : auth::key_kind::live;
  r.scopes = scopes;
  r.digest = sha256(key);
  return r;
}

std::shared_ptr<const auth::key_set> set_of(const std::vector<auth::key_record>& records,
                                            const auth::key_set& before = {}) {
  return std::make_shared<const auth::key_set>(records, before);
}

struct door {
  explicit door(auth::authenticator_options how = {}) : of{(how.required = true, std::move(how))} {}

  auth::checked operator()(const std::optional<std::string>& header, std::size_t headers = 1) {
    auth::checked found = of.check(header ? std::optional<std::string_view>{*header} : std::nullopt, headers, now);
    if (const auto* const token = std::get_if<auth::unverified_token>(&found)) {
      const auth::unverified_token asked = *token;
      found = of.verify(asked);
    }
    return found;
  }
  /// Empty: let in.
  std::string refusal(const std::optional<std::string>& header) {
    const auth::checked found = (*this)(header);
    const auto* const why = std::get_if<auth::refusal>(&found);
    return why == nullptr ? std::string{} : std::string{why->detail};
  }

  auth::authenticator of;
  auth::key_ring::clock::time_point now = auth::key_ring::clock::now();
};

}  // namespace

TEST_CASE("keys are random, complete and know their kind") {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string key = auth::make_key(i % 2 == 0 ? auth::key_kind::live : auth::key_kind::test);
    CHECK(key.size() == 47);
    CHECK(seen.insert(key).second);
    const auto read = auth::read_key(key);
    REQUIRE(read.has_value());
    CHECK(read->kind == (i % 2 == 0 ? auth::key_kind::live : auth::key_kind::test));
    CHECK(read->digest == sha256(key));
    CHECK(auth::hint_of(key) == key.substr(43));
  }
}

TEST_CASE("every mistyped character of a key is noticed without asking anybody") {
  const std::string key = auth::make_key(auth::key_kind::live);
  for (std::size_t i = 0; i < key.size(); ++i) {
    CAPTURE(i);
    std::string wrong = key;
    wrong[i] = wrong[i] == 'x' ? 'y' : 'x';
    CHECK(!auth::read_key(wrong).has_value());
  }
  CHECK(!auth::read_key(key + "0").has_value());
  CHECK(!auth::read_key(key.substr(1)).has_value());
  CHECK(!auth::read_key("").has_value());
}

TEST_CASE("scopes are read strictly from operators and leniently from others") {
  CHECK(auth::to_string(auth::scopes_from_string("admin  purchases:write").value()) == "purchases:write admin");
  CHECK(auth::scopes_from_string("purchases:write purchase:write").error() == "purchase:write");
  CHECK(auth::scopes_from_string("  ").error().empty());
  CHECK(auth::to_string(auth::known_scopes("openid inventory:read x")) == "inventory:read");
  CHECK(auth::everything.allows(auth::scope::funds_write));
  CHECK(!auth::scope_set{auth::scope::catalog_read}.allows(auth::scope::catalog_write));
  CHECK(auth::to_string(auth::scopes_from_string(auth::scope_names()).value()) == auth::scope_names());
  using enum auth::scope;
  for (const auth::scope each : auth::all_scopes) {
    CAPTURE(auth::to_string(each));
    const bool reads = each == inventory_read || each == catalog_read || each == analytics_read ||
                       each == events_read || each == admin_read;
    CHECK(auth::scope_set{admin_read}.allows(each) == reads);
    CHECK(auth::scope_set{keys_admin}.allows(each) == (each == keys_admin));
    CHECK(auth::scope_set{admin}.allows(each));
  }
}

TEST_CASE("a key in force opens the door, with its scopes, in any case of Bearer") {
  door d;
  const std::string key = auth::make_key(auth::key_kind::live);
  d.of.ring().replace(set_of({record_of(key, 7, {auth::scope::catalog_read})}));
  for (const char* scheme : {"Bearer ", "bearer ", "BEARER   "}) {
    const auth::checked found = d(scheme + key);
    const auto* const who = std::get_if<auth::principal>(&found);
    REQUIRE(who != nullptr);
    CHECK(who->key == 7);
    CHECK(who->scopes == auth::scope_set{auth::scope::catalog_read});
    CHECK(!who->only);
  }
}

TEST_CASE("what is no credential is refused with a reason") {
  door d;
  const std::string key = auth::make_key(auth::key_kind::live);
  d.of.ring().replace(set_of({record_of(key, 7)}));
  const auth::checked none = d(std::nullopt, 0);
  CHECK(std::get<auth::refusal>(none).what == auth::refused_as::missing);
  for (const std::string& header : {std::string{}, key, "Basic " + key, std::string{"Bearer"}, "Bearer" + key}) {
    CAPTURE(header);
    CHECK(d.refusal(header).starts_with("The Authorization header must be Bearer"));
  }
  CHECK(d.refusal("Bearer ") ==
        "The Authorization header does not hold a server key, and this server takes no players' tokens.");
  CHECK(d.refusal("Bearer " + key + "x") == "The key is not complete or has a typing error.");
  CHECK(std::get<auth::refusal>(d("Bearer " + key, 2)).detail == "There must be one Authorization header.");
}

TEST_CASE("without authentication everybody may do everything") {
  auth::authenticator open{{}};
  const auth::checked found = open.check("Bearer nonsense", 1, auth::key_ring::clock::now());
  CHECK(std::get<auth::principal>(found).scopes.allows(auth::scope::admin));
}

TEST_CASE("test keys and expired keys are refused") {
  const std::string test_key = auth::make_key(auth::key_kind::test);
  const std::string old_key = auth::make_key(auth::key_kind::live);
  auth::key_record old = record_of(old_key, 2);
  old.expires_at = now() - 1s;
  door strict;
  strict.of.ring().replace(set_of({record_of(test_key, 1), old}));
  CHECK(strict.refusal("Bearer " + test_key) == "This server does not accept test keys.");
  CHECK(strict.refusal("Bearer " + old_key) == "The key is unknown, revoked or expired.");
  auth::authenticator_options how;
  how.test_keys = true;
  door lenient{how};
  lenient.of.ring().replace(set_of({record_of(test_key, 1)}));
  CHECK(lenient.refusal("Bearer " + test_key).empty());
}

TEST_CASE("a key that is not known yet is asked for once, and what the database says is remembered for a while") {
  door d;
  const std::string key = auth::make_key(auth::key_kind::live);
  const auth::checked first = d("Bearer " + key);
  const auto asked = std::get<auth::unknown_key>(first);
  CHECK(asked.key.digest == sha256(key));
  CHECK(std::holds_alternative<auth::refusal>(d.of.learn(asked, std::nullopt, d.now)));
  CHECK(d.refusal("Bearer " + key) == "The key is unknown, revoked or expired.");
  d.now += auth::key_ring::unknown_for;
  CHECK(std::holds_alternative<auth::unknown_key>(d("Bearer " + key)));
  CHECK(std::holds_alternative<auth::principal>(d.of.learn(asked, record_of(key, 5), d.now)));
  CHECK(std::holds_alternative<auth::principal>(d("Bearer " + key)));
  d.of.ring().replace(set_of({}));  // revoked
  CHECK(std::holds_alternative<auth::unknown_key>(d("Bearer " + key)));
}

TEST_CASE("unknown digests do not fill the memory") {
  auth::key_ring ring;
  const auto now = auth::key_ring::clock::now();
  for (std::size_t i = 0; i < 3 * auth::key_ring::capacity; ++i) {
    ring.remember_unknown(sha256(std::to_string(i)), now);
  }
  std::size_t remembered = 0;
  for (std::size_t i = 0; i < 3 * auth::key_ring::capacity; ++i) {
    remembered += ring.find(sha256(std::to_string(i)), now).unknown ? 1U : 0U;
  }
  CHECK(remembered > 0);
  CHECK(remembered <= auth::key_ring::capacity);
}

TEST_CASE("the last use of a key outlives a refresh and is told once") {
  door d;
  const std::string key = auth::make_key(auth::key_kind::live);
  const auto first = set_of({record_of(key, 7)});
  d.of.ring().replace(first);
  const timestamp before = now();
  CHECK(first->used_since(timestamp{}).empty());
  CHECK(d.refusal("Bearer " + key).empty());
  const auto second = set_of({record_of(key, 7)}, *first);
  const auto uses = second->used_since(timestamp{});
  REQUIRE(uses.size() == 1);
  CHECK(uses[0].first == 7);
  CHECK(uses[0].second >= std::chrono::floor<std::chrono::seconds>(before));
  CHECK(second->used_since(uses[0].second).empty());
}

TEST_CASE("a token is verified once and refused when the keys are replaced or its time is over") {
  auth::authenticator_options how;
  how.tokens.issuer = "game";
  how.tokens.audience = "coffer";
  how.tokens.leeway = 0s;
  door d{how};
  const test::token_maker maker{"ES256", "a"};
  const std::string token = "Bearer " + maker.sign(test::claims_for(42));
  CHECK(d.refusal(token).find("takes no players' tokens") != std::string::npos);
  const auto keys = [](const test::token_maker& of) {
    return std::make_shared<const auth::jwt_keys>(
        auth::jwt_keys::parse(test::key_set(of), {auth::algorithm::es256}).value());
  };
  d.of.replace_token_keys(keys(maker));
  for (int i = 0; i < 3; ++i) {
    const auth::checked found = d(token);
    REQUIRE(std::holds_alternative<auth::principal>(found));
    const auto& who = std::get<auth::principal>(found);
    CHECK(who.may_touch(user_id{42}));
    CHECK(!who.may_touch(user_id{43}));
    CHECK(!who.scopes.allows(auth::scope::funds_write));
  }
  CHECK(d.refusal("Bearer " + maker.sign(test::claims_for(42, "", -1))) == "The token has expired.");
  d.of.replace_token_keys(keys(test::token_maker{"ES256", "b"}));
  CHECK(d.refusal(token) == "The token is signed with an unknown key.");
}

TEST_CASE("a token that is out of its time is told from a forged one") {
  auth::authenticator_options how;
  how.tokens.issuer = "game";
  how.tokens.audience = "coffer";
  door d{how};
  const test::token_maker maker{"ES256", "a"};
  const test::token_maker forger{"ES256", "a"};
  d.of.replace_token_keys(std::make_shared<const auth::jwt_keys>(
      auth::jwt_keys::parse(test::key_set(maker), {auth::algorithm::es256}).value()));
  const auto refused = [&](const std::string& token) { return std::get<auth::refusal>(d("Bearer " + token)).what; };
  const std::string expired = test::claims_for(1, "", -3600);
  const std::string early = test::claims_for(1, R"(,"nbf":32503680000)");
  for (int i = 0; i < 2; ++i) {
    CHECK(refused(maker.sign(expired)) == auth::refused_as::out_of_time);
    CHECK(refused(maker.sign(early)) == auth::refused_as::out_of_time);
    CHECK(refused(forger.sign(expired)) == auth::refused_as::wrong);
    CHECK(refused(forger.sign(early)) == auth::refused_as::wrong);
  }
}

TEST_CASE("tokens do not fill the memory, and one in use stays remembered") {
  auth::authenticator_options how;
  how.tokens.issuer = "game";
  how.tokens.audience = "coffer";
  door d{how};
  const test::token_maker maker{"HS256", "a"};
  d.of.replace_token_keys(std::make_shared<const auth::jwt_keys>(
      auth::jwt_keys::parse(test::key_set(maker), {auth::algorithm::hs256}).value()));
  for (std::size_t i = 1; i <= 3 * auth::authenticator::token_capacity; ++i) {
    const auth::checked found = d("Bearer " + maker.sign(test::claims_for(static_cast<std::int64_t>(i))));
    REQUIRE(std::get<auth::principal>(found).may_touch(user_id{static_cast<std::int64_t>(i)}));
  }
}

TEST_CASE("base64url has one spelling for any bytes") {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    CHECK(from_base64url(to_base64url(bytes)) == bytes);
    bytes += static_cast<char>(i * 7);
  }
  CHECK(to_base64url("\xfb\xff") == "-_8");
  for (const char* wrong : {"A", "AB=", "A+", "A/", "AB C", "-_9"}) {
    CAPTURE(wrong);
    CHECK(!from_base64url(wrong).has_value());
  }
}

}  // namespace auth_keys_test
