#include "coffer/base/hash.hpp"

#include "coffer/base/base64url.hpp"
#include "support/catch.hpp"

namespace base_hash_test {

// The examples of FIPS 180-4's test vectors.
TEST_CASE("SHA-256 gives the standard's digests") {
  CHECK(coffer::to_hex(coffer::sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(coffer::to_hex(coffer::sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// RFC 4648, section 10; the signature is the example of Standard Webhooks' own libraries.
TEST_CASE("base64 and HMAC-SHA-256 are those that receivers of webhooks compute") {
  using coffer::to_base64;
  CHECK(to_base64("") == "");
  CHECK(to_base64("f") == "Zg==");
  CHECK(to_base64("fo") == "Zm8=");
  CHECK(to_base64("foobar") == "Zm9vYmFy");
  CHECK(to_base64("\xff\xfe") == "//4=");
  const std::string key = coffer::from_base64url("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").value();
  const auto digest = coffer::hmac_sha256(key, R"(msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314})");
  CHECK(to_base64({reinterpret_cast<const char*>(digest.data()), digest.size()}) ==
        "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  CHECK(coffer::random_bytes(32).size() == 32);
  CHECK(coffer::random_bytes(32) != coffer::random_bytes(32));
}

}  // namespace base_hash_test
