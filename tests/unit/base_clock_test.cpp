#include "coffer/base/clock.hpp"

#include "support/catch.hpp"

namespace base_clock_test {

using namespace coffer;

namespace {

std::string round_trip(std::string_view text) {
  const auto time = from_rfc3339(text);
  return time ? to_rfc3339(*time) : "malformed";
}

}  // namespace

TEST_CASE("times are spelled with six decimals in UTC") {
  CHECK(to_rfc3339(timestamp{}) == "1970-01-01T00:00:00.000000Z");
  CHECK(to_rfc3339(timestamp{std::chrono::microseconds{-1}}) == "1969-12-31T23:59:59.999999Z");
  CHECK(round_trip("2026-11-22T23:13:50.123456Z") == "2026-11-22T23:13:50.123456Z");
}

TEST_CASE("times are read with any offset and precision") {
  CHECK(round_trip("2026-11-23T00:13:50+01:00") == "2026-11-22T23:13:50.000000Z");
  CHECK(round_trip("2026-11-22T18:43:50.5-04:30") == "2026-11-22T23:13:50.500000Z");
  CHECK(round_trip("2026-11-22t23:13:50.123456789z") == "2026-11-22T23:13:50.123456Z");
  CHECK(round_trip("2024-02-29T00:00:00Z") == "2024-02-29T00:00:00.000000Z");
}

TEST_CASE("a leap second is the second behind it, and is at the end of a UTC day") {
  CHECK(round_trip("2016-12-31T23:59:60Z") == "2017-01-01T00:00:00.000000Z");
  CHECK(round_trip("2016-12-31T15:59:60.25-08:00") == "2017-01-01T00:00:00.250000Z");
  CHECK(round_trip("2017-01-01T05:29:60+05:30") == "2017-01-01T00:00:00.000000Z");
  for (const char* text : {"2016-12-31T23:58:60Z", "2016-12-31T22:59:60Z", "2016-12-31T23:59:60+01:00",
                           "2016-12-31T23:59:61Z", "2017-01-01T00:00:60Z", "9999-12-31T23:59:60Z"}) {
    CAPTURE(text);
    CHECK(!from_rfc3339(text));
  }
}

TEST_CASE("malformed times are refused") {
  for (const char* text :
       {"", "2026-11-22", "2026-11-22T23:13:50", "2026-11-22T23:13:50.Z", "2026-11-22T23:13:50.1234567890Z",
        "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-11-00T00:00:00Z",
        "2026-11-22T24:00:00Z", "2026-11-22T23:60:00Z", "2026-11-22T23:00:61Z", "2026-11-22T23:13:50+0100",
        "2026-11-22T23:13:50+24:00", "2026-11-22T23:13:50Zx", "026-11-22T23:13:50Z", "2026-11-22T23:13:50+-1:00"}) {
    CAPTURE(text);
    CHECK(!from_rfc3339(text));
  }
}

TEST_CASE("an offset does not lead out of the years that can be written") {
  CHECK(!from_rfc3339("9999-12-31T23:59:59-00:01"));
  CHECK(!from_rfc3339("0000-01-01T00:00:00+00:01"));
  CHECK(round_trip("9999-12-31T23:59:59.999999Z") == "9999-12-31T23:59:59.999999Z");
  CHECK(round_trip("0000-01-01T00:00:00Z") == "0000-01-01T00:00:00.000000Z");
}

}  // namespace base_clock_test
