#include "coffer/base/hash.hpp"

#include "support/catch.hpp"

namespace base_hash_test {

// The examples of FIPS 180-4's test vectors.
TEST_CASE("SHA-256 gives the standard's digests") {
  CHECK(coffer::to_hex(coffer::sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(coffer::to_hex(coffer::sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace base_hash_test
