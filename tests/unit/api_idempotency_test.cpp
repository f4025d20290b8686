#include "coffer/api/idempotency.hpp"

#include <random>
#include <set>

#include "support/catch.hpp"

namespace api_idempotency_test {

using namespace coffer;

namespace {

result<std::string> key_of(std::string_view header) {
  http::request r;
  r.add_header("idempotency-key", header);
  return api::idempotency_key(r);
}

bool refused(std::string_view header) {
  const auto key = key_of(header);
  return !key && key.error().code == errc::invalid_idempotency_key;
}

}  // namespace

TEST_CASE("a request without the header has no key") {
  const auto key = api::idempotency_key(http::request{});
  REQUIRE(key);
  CHECK(key->empty());
}

TEST_CASE("a bare key and the same key in quotes are one key") {
  CHECK(key_of("8e03978e-40d5-43dd-bc93-6894a57f9324") == "8e03978e-40d5-43dd-bc93-6894a57f9324");
  CHECK(key_of("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"") == "8e03978e-40d5-43dd-bc93-6894a57f9324");
  CHECK(key_of("a") == "a");
  CHECK(key_of("!~") == "!~");
  CHECK(key_of(R"("a\"b\\c")") == R"(a"b\c)");
  CHECK(key_of(R"(a"b\c)") == R"(a"b\c)");
}

TEST_CASE("a key has 1 to 255 visible ASCII characters") {
  CHECK(key_of(std::string(255, 'k')) == std::string(255, 'k'));
  CHECK(key_of("\"" + std::string(255, 'k') + "\"") == std::string(255, 'k'));
  CHECK(refused(std::string(256, 'k')));
  CHECK(refused("\"" + std::string(256, 'k') + "\""));
  CHECK(refused(""));
  CHECK(refused("\"\""));
  for (int c = 0; c < 256; ++c) {
    const std::string text = std::string{"a"} + static_cast<char>(c) + "b";
    CAPTURE(c);
    CHECK(refused(text) == (c <= 0x20 || c >= 0x7F));
  }
}

TEST_CASE("malformed quotes are refused") {
  for (const char* header : {"\"", "\"a", "\"a\"b", "\"a\"b\"", "\"a\\\"", "\"\\", "\"\\\"", "\"a\\b\"", "\"a b\"",
                             "\"a\";x=1", "\"a\" ", "\"a\",\"b\""}) {
    CAPTURE(header);
    CHECK(refused(header));
  }
}

TEST_CASE("two headers are refused, even when they agree") {
  http::request r;
  r.add_header("Idempotency-Key", "a");
  r.add_header("IDEMPOTENCY-KEY", "a");
  CHECK(!api::idempotency_key(r));
}

TEST_CASE("random headers never give a key outside the rules") {
  std::mt19937_64 random{8941};
  constexpr std::string_view likely = "\"\\abc \t\x7F\x80";
  for (int round = 0; round < 20000; ++round) {
    std::string header;
    for (std::uint64_t n = random() % 12; n > 0; --n) {
      header += random() % 4 == 0 ? static_cast<char>(random()) : likely[random() % likely.size()];
    }
    const auto key = key_of(header);
    if (key) {
      const bool visible = std::all_of(key->begin(), key->end(), [](char c) { return c > 0x20 && c < 0x7F; });
      REQUIRE(visible);
      REQUIRE(!key->empty());
      REQUIRE(key->size() <= header.size());
    }
  }
}

TEST_CASE("a fingerprint tells operation, path and body apart") {
  const std::set<domain::fingerprint> prints = {
      api::fingerprint_of("purchase", 1, {2, 3, -1}), api::fingerprint_of("use", 1, {2, 3, -1}),
      api::fingerprint_of("purchase", 2, {2, 3, -1}), api::fingerprint_of("purchase", 1, {3, 2, -1}),
      api::fingerprint_of("purchase", 1, {2, 3, 0}),  api::fingerprint_of("purchase", 1, {2, 3}),
      api::fingerprint_of("purchase", 1, {23, -1}),   api::fingerprint_of("purchase", 12, {3, -1}),
  };
  CHECK(prints.size() == 8);
  CHECK(api::fingerprint_of("purchase", 1, {2, 3, -1}) == api::fingerprint_of("purchase", 1, {2, 3, -1}));
}

}  // namespace api_idempotency_test
