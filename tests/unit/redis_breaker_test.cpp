#include "coffer/redis/breaker.hpp"

#include "support/catch.hpp"

namespace redis_breaker_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

const redis::breaker::time start{1h};

redis::breaker opened() {
  redis::breaker b{3, 1000ms};
  for (int i = 0; i < 3; ++i) {
    b.failed(start);
  }
  return b;
}

}  // namespace

TEST_CASE("a breaker opens after failures in a row and not before") {
  redis::breaker b{3, 1000ms};
  CHECK(!b.failed(start));
  CHECK(!b.failed(start));
  CHECK(b.admit(start));
  b.succeeded();
  CHECK(!b.failed(start));
  CHECK(!b.failed(start));
  CHECK(!b.is_open());
  CHECK(b.failed(start));
  CHECK(b.is_open());
  CHECK(!b.admit(start));
}

TEST_CASE("an open breaker admits one probe after its time") {
  redis::breaker b = opened();
  CHECK(!b.admit(start + 999ms));
  CHECK(!b.would_admit(start + 999ms));
  CHECK(b.would_admit(start + 1000ms));
  CHECK(b.admit(start + 1000ms));
  CHECK(!b.admit(start + 1000ms));
  CHECK(!b.would_admit(start + 1500ms));

  SECTION("which closes it when it succeeds") {
    b.succeeded();
    CHECK(b.admit(start + 1001ms));
    CHECK(b.admit(start + 1001ms));
  }
  SECTION("which opens it again when it fails") {
    CHECK(b.failed(start + 1100ms));
    CHECK(!b.admit(start + 2099ms));
    CHECK(b.admit(start + 2100ms));
  }
  SECTION("and another one when nothing is heard of it") {
    CHECK(!b.admit(start + 1999ms));
    CHECK(b.admit(start + 2000ms));
  }
}

}  // namespace redis_breaker_test
