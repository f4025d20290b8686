#include "coffer/auth/token.hpp"

#include <fmt/format.h>

#include "coffer/auth/principal.hpp"
#include "coffer/base/base64url.hpp"
#include "support/catch.hpp"
#include "support/token_maker.hpp"

namespace auth_token_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

const std::vector<auth::algorithm> all_algorithms = {auth::algorithm::hs256, auth::algorithm::es256,
                                                     auth::algorithm::eddsa, auth::algorithm::rs256};

auth::jwt_keys keys_of(const std::string& set) {
  auto keys = auth::jwt_keys::parse(set, all_algorithms);
  INFO((keys ? std::string{} : keys.error()));
  REQUIRE(keys.has_value());
  return *std::move(keys);
}

auth::token_rules rules() {
  auth::token_rules r;
  r.issuer = "game";
  r.audience = "coffer";
  return r;
}

/// What is wrong with a token; empty when nothing is.
std::string complaint(const std::string& token, const auth::jwt_keys& keys) {
  const auto verified = auth::verify_token(token, keys, rules());
  return verified ? std::string{} : std::string{verified.error()};
}

std::string set_error(const std::string& set, const std::vector<auth::algorithm>& allowed = all_algorithms) {
  const auto keys = auth::jwt_keys::parse(set, allowed);
  return keys ? std::string{} : keys.error();
}

}  // namespace

TEST_CASE("a token of each algorithm opens its user's wallet and no other key's token does") {
  for (const char* algorithm : {"HS256", "ES256", "EdDSA", "RS256"}) {
    CAPTURE(algorithm);
    const test::token_maker mine{algorithm, "now"};
    const test::token_maker other{algorithm, "new"};
    const auth::jwt_keys keys = keys_of(test::key_set(mine));
    const std::string token = mine.sign(test::claims_for(42));
    const auto verified = auth::verify_token(token, keys, rules());
    REQUIRE(verified.has_value());
    CHECK(verified->user == user_id{42});
    CHECK(verified->scopes == auth::player_scopes);
    CHECK(complaint(other.sign(test::claims_for(42)), keys) == "The token is signed with an unknown key.");
    CHECK(complaint(other.sign(test::claims_for(42), mine.head()), keys) == "The token's signature is wrong.");
  }
}

TEST_CASE("every single changed character of a token refuses it") {
  const test::token_maker maker{"ES256", "k"};
  const auth::jwt_keys keys = keys_of(test::key_set(maker));
  const std::string token = maker.sign(test::claims_for(42));
  REQUIRE(complaint(token, keys).empty());
  for (std::size_t i = 0; i < token.size(); ++i) {
    CAPTURE(i);
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK(!complaint(changed, keys).empty());
  }
  CHECK(!complaint(token + "A", keys).empty());
  CHECK(!complaint(token.substr(0, token.size() - 1), keys).empty());
  CHECK(!complaint(token.substr(0, token.rfind('.') + 1), keys).empty());
}

TEST_CASE("the algorithm is the key's and never the token's choice") {
  const test::token_maker rsa{"RS256", "k"};
  const test::token_maker hmac{"HS256", "k"};
  const auth::jwt_keys keys = keys_of(test::key_set(rsa));
  const std::string claims = test::claims_for(1);
  CHECK(complaint(hmac.sign(claims), keys) == "The token's alg is not that of its key.");
  CHECK(complaint(rsa.sign(claims, R"({"alg":"none","kid":"k"})"), keys) == "The token's alg is not that of its key.");
  CHECK(complaint(rsa.sign(claims, R"({"alg":"rs256","kid":"k"})"), keys) == "The token's alg is not that of its key.");
  CHECK(complaint(rsa.sign(claims, R"({"kid":"k"})"), keys) == "The token's alg is not that of its key.");
  CHECK(complaint(to_base64url(R"({"alg":"none","kid":"k"})") + "." + to_base64url(claims) + ".", keys) ==
        "The token's alg is not that of its key.");
  CHECK(complaint(rsa.sign(claims, R"({"alg":"RS256","kid":"k","crit":["x"],"x":1})"), keys) ==
        "The token has critical extensions that this server does not know.");
}

TEST_CASE("keys are told apart by kid, and only a single key needs none") {
  const test::token_maker first{"EdDSA", "2026-10"};
  const test::token_maker second{"EdDSA", "2026-11"};
  const std::string nameless = R"({"alg":"EdDSA"})";
  const auth::jwt_keys both = keys_of(test::key_set(first, second));
  CHECK(complaint(first.sign(test::claims_for(1)), both).empty());
  CHECK(complaint(second.sign(test::claims_for(1)), both).empty());
  CHECK(complaint(first.sign(test::claims_for(1), nameless), both) == "The token is signed with an unknown key.");
  const auth::jwt_keys one = keys_of(test::key_set(second));
  CHECK(complaint(second.sign(test::claims_for(1), nameless), one).empty());
  CHECK(complaint(first.sign(test::claims_for(1)), one) == "The token is signed with an unknown key.");
}

TEST_CASE("issuer, audience, subject and expiry must be there and right") {
  const test::token_maker maker{"HS256", "k"};
  const auth::jwt_keys keys = keys_of(test::key_set(maker));
  const auto of = [&](const std::string& claims) { return complaint(maker.sign(claims), keys); };
  CHECK(of(R"({"iss":"game","aud":"coffer","sub":"1","exp":1})").empty());
  CHECK(of(R"({"iss":"game","aud":["x","coffer"],"sub":"1","exp":1,"iat":1,"jti":"a"})").empty());
  CHECK(of(R"({"iss":"Game","aud":"coffer","sub":"1","exp":1})") == "The token is from another issuer.");
  CHECK(of(R"({"aud":"coffer","sub":"1","exp":1})") == "The token is from another issuer.");
  CHECK(of(R"({"iss":"game","aud":"coffe","sub":"1","exp":1})") == "The token is for another audience.");
  CHECK(of(R"({"iss":"game","aud":[],"sub":"1","exp":1})") == "The token is for another audience.");
  CHECK(of(R"({"iss":"game","sub":"1","exp":1})") == "The token is for another audience.");
  for (const char* sub : {R"("")", R"("0")", R"("01")", R"("-1")", R"("1 ")", R"("9007199254740992")", R"("a")", "1"}) {
    CAPTURE(sub);
    CHECK(of(fmt::format(R"({{"iss":"game","aud":"coffer","sub":{},"exp":1}})", sub)) ==
          "The token's sub is not the id of a user.");
  }
  for (const char* exp : {"-1", R"("1")", "253402300800", "null", "1e400", "-1.5", "2.534023008e11", "true"}) {
    CAPTURE(exp);
    CHECK(of(fmt::format(R"({{"iss":"game","aud":"coffer","sub":"1","exp":{}}})", exp)) ==
          "The token needs exp, in seconds since 1970.");
  }
  CHECK(of(R"({"iss":"game","aud":"coffer","sub":"1"})") == "The token needs exp, in seconds since 1970.");
  CHECK(of(R"({"iss":"game","aud":"coffer","sub":"1","exp":1,"nbf":"x"})") ==
        "The token's nbf is not a time in seconds since 1970.");
  CHECK(of(R"({"iss":"game","aud":"coffer","sub":"1","exp":1,"exp":9})") ==
        "The token is not a signed JSON Web Token.");
  CHECK(of("[]") == "The token is not a signed JSON Web Token.");
}

TEST_CASE("a token lives from nbf to exp, with the leeway on both sides") {
  const test::token_maker maker{"HS256", "k"};
  const auth::jwt_keys keys = keys_of(test::key_set(maker));
  const auto token =
      auth::verify_token(maker.sign(R"({"iss":"game","aud":"coffer","sub":"1","exp":2000,"nbf":1000})"), keys, rules());
  REQUIRE(token.has_value());
  const auto at = [&](std::int64_t second) {
    return token->check_time(timestamp{std::chrono::seconds{second}}, 30s).has_value();
  };
  CHECK(!at(969));
  CHECK(at(970));
  CHECK(at(2029));
  CHECK(!at(2030));
}

TEST_CASE("the times of a token may have fractions and exponents") {
  const test::token_maker maker{"HS256", "k"};
  const auth::jwt_keys keys = keys_of(test::key_set(maker));
  const auto token = [&](const std::string& times) {
    return auth::verify_token(maker.sign(R"({"iss":"game","aud":"coffer","sub":"1",)" + times + "}"), keys, rules());
  };
  const auto exact = token(R"("exp":1.7e9,"nbf":1700000000.123456789,"iat":1.69999999875e9)");
  REQUIRE(exact.has_value());
  CHECK(exact->expires_at == timestamp{std::chrono::seconds{1'700'000'000}});
  CHECK(exact->not_before == timestamp{std::chrono::microseconds{1'700'000'000'123'456}});
  const auto half = token(R"("exp":2000.5,"nbf":1000.5)");
  REQUIRE(half.has_value());
  const auto at = [&](std::int64_t millisecond) {
    return half->check_time(timestamp{std::chrono::milliseconds{millisecond}}, 30s).has_value();
  };
  CHECK(!at(970'499));
  CHECK(at(970'500));
  CHECK(at(2'030'499));
  CHECK(!at(2'030'500));
  CHECK(token(R"("exp":253402300799.999999)").has_value());
}

TEST_CASE("the claim scope narrows a token and never widens it") {
  const test::token_maker maker{"HS256", "k"};
  const auth::jwt_keys keys = keys_of(test::key_set(maker));
  const auto scopes = [&](const std::string& claim) {
    const std::string token = maker.sign(test::claims_for(1, R"(,"scope":)" + claim));
    return auth::to_string(auth::verify_token(token, keys, rules()).value().scopes);
  };
  CHECK(scopes(R"("inventory:read openid")") == "inventory:read");
  CHECK(scopes(R"("admin funds:write")").empty());
  CHECK(scopes(R"("")").empty());
  CHECK(scopes("1").empty());
}

TEST_CASE("a key set that is not safe to use is refused with the key and the reason") {
  using enum auth::algorithm;
  const test::token_maker ec{"ES256", "k"};
  CHECK(set_error("x").starts_with("is not JSON"));
  CHECK(set_error("[]").starts_with("is no key set"));
  CHECK(set_error(R"({"keys":[]})") == "must hold a key");
  CHECK(set_error(test::key_set(ec, ec)) == "key 1: another key has the kid k too");
  CHECK(set_error(R"({"keys":[{"kid":"a","kty":"EC","crv":"P-256","d":"x","x":"","y":""}]})") ==
        "key 0: it holds a private key; give the server the public half alone");
  const std::string good = ec.jwk();
  for (const char* member : {"d", "p", "q", "dp", "dq", "qi", "oth"}) {
    CAPTURE(member);
    // Whatever else the key is: a private key has no business in the file.
    CHECK(set_error(fmt::format(R"({{"keys":[{},{{"kty":"RSA","use":"enc","{}":"x"}}]}})", good, member)) ==
          "key 1: it holds a private key; give the server the public half alone");
  }
  CHECK(set_error(test::key_set(ec), {rs256}) ==
        "holds no key of use: key 0: it is for ES256, which is not among the allowed algorithms");
}

TEST_CASE("a key of which no use can be made is skipped, and a set with nothing else refused") {
  const test::token_maker ec{"ES256", "k"};
  const std::string off_curve(43, 'A');
  const std::pair<std::string, std::string> skipped[] = {
      {"1", "it is no object"},
      {"{}", "it needs the string kty"},
      {R"({"kty":"EC"})", "it needs the string crv"},
      {R"({"kid":7,"kty":"EC"})", "it needs the string kid"},
      {R"({"kid":"","kty":"EC"})", "its kid must have 1 to 128 bytes"},
      {R"({"kid":"a","kty":"oct","k":"c2hvcnQ"})", "its k must have at least 32 bytes"},
      {R"({"kid":"a","kty":"RSA","n":"AQAB","e":"AQAB"})", "it has 17 bits, not 2048 to 8192"},
      {R"({"kid":"a","kty":"EC","crv":"P-384","x":"","y":""})", "its crv is P-384, not P-256"},
      {R"({"kid":"a","kty":"OKP","crv":"X25519","x":""})", "its crv is X25519, not Ed25519"},
      {R"({"kid":"a","kty":"AKP"})", "its kty is AKP, not RSA, EC, OKP or oct"},
      {fmt::format(R"({{"kid":"a","kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}})", off_curve),
       "its numbers are no public key"},
      {R"({"kid":"k","kty":"oct","use":"enc","k":"x"})", "its use is not sig"},
      {R"({"kid":"a","kty":"RSA","key_ops":["encrypt"],"n":"x"})", "its key_ops do not name verify"},
  };
  for (const auto& [key, why] : skipped) {
    CAPTURE(key);
    CHECK(set_error(R"({"keys":[)" + key + "]}").starts_with("holds no key of use: key 0: "));
    const auth::jwt_keys keys = keys_of(R"({"keys":[)" + key + "," + ec.jwk() + "]}");
    CHECK(keys.size() == 1);
    REQUIRE(keys.skipped().size() == 1);
    if (!key.starts_with(R"({"kid":"a","kty":"RSA","n")")) {  // libcrypto may see it first
      CHECK(keys.skipped()[0] == "key 0: " + why);
    }
    CHECK(complaint(ec.sign(test::claims_for(1)), keys).empty());
  }
}

TEST_CASE("a set of one key needs no kid, and among several a key without one is skipped") {
  const test::token_maker ec{"ES256", "k"};
  const test::token_maker rsa{"RS256", "r"};
  const auto nameless = [](const test::token_maker& of, const std::string& kid) {
    std::string key = of.jwk();
    const std::string member = R"("kid":")" + kid + R"(",)";
    REQUIRE(key.find(member) != std::string::npos);
    return key.erase(key.find(member), member.size());
  };
  const std::string token = ec.sign(test::claims_for(1));
  const std::string anonymous = ec.sign(test::claims_for(1), R"({"alg":"ES256"})");
  const auth::jwt_keys one = keys_of(R"({"keys":[{"kty":"RSA","use":"enc"},)" + nameless(ec, "k") + "]}");
  CHECK(complaint(token, one).empty());
  CHECK(complaint(anonymous, one).empty());
  CHECK(complaint(rsa.sign(test::claims_for(1)), one) == "The token's alg is not that of its key.");
  const auth::jwt_keys two = keys_of(R"({"keys":[)" + nameless(ec, "k") + "," + rsa.jwk() + "]}");
  CHECK(two.size() == 1);
  CHECK(two.skipped() == std::vector<std::string>{"key 0: it has no kid, and there are others"});
  CHECK(complaint(token, two) == "The token is signed with an unknown key.");
  CHECK(set_error(R"({"keys":[)" + nameless(ec, "k") + "," + nameless(rsa, "r") + "]}") ==
        "holds no key of use: key 0: it has no kid, and there are others; key 1: it has no kid, and there are others");
}

}  // namespace auth_token_test
