#include "coffer/pg/params.hpp"

#include "coffer/base/ids.hpp"
#include "support/catch.hpp"

namespace pg_params_test {

using namespace coffer;
using namespace std::string_view_literals;
using pg::oid;
using pg::params;

TEST_CASE("parameters lie in network order with their types") {
  const params p = params::of(std::int16_t{0x0102}, std::int32_t{0x01020304}, user_id{-2}, true, 1.0, "ab");
  REQUIRE(p.size() == 6);
  CHECK(p.value(0) == "\x01\x02"sv);
  CHECK(p.type(0) == oid::int2);
  CHECK(p.value(1) == "\x01\x02\x03\x04"sv);
  CHECK(p.type(1) == oid::int4);
  CHECK(p.value(2) == "\xff\xff\xff\xff\xff\xff\xff\xfe"sv);
  CHECK(p.type(2) == oid::int8);
  CHECK(p.value(3) == "\x01"sv);
  CHECK(p.type(3) == oid::boolean);
  CHECK(p.value(4) == "\x3f\xf0\0\0\0\0\0\0"sv);
  CHECK(p.type(4) == oid::float8);
  CHECK(p.value(5) == "ab"sv);
  CHECK(p.type(5) == oid::text);
  CHECK(p.bytes() == 2 + 4 + 8 + 1 + 8 + 2);
}

TEST_CASE("a NULL parameter has a type and no value, an empty text has a value") {
  const params p = params::of(std::optional<std::int64_t>{}, std::optional<std::string_view>{}, "");
  CHECK_FALSE(p.value(0));
  CHECK(p.type(0) == oid::int8);
  CHECK_FALSE(p.value(1));
  CHECK(p.type(1) == oid::text);
  REQUIRE(p.value(2));
  CHECK(p.value(2)->empty());
}

TEST_CASE("times count microseconds from the year 2000") {
  const params p =
      params::of(timestamp{std::chrono::sys_days{std::chrono::year{2000} / 1 / 1}} + std::chrono::microseconds{258});
  CHECK(p.value(0) == "\0\0\0\0\0\0\x01\x02"sv);
  CHECK(p.type(0) == oid::timestamptz);
}

TEST_CASE("an array has a header, lengths and elements") {
  const std::vector<std::int16_t> numbers{7, -1};
  const params p = params::of(numbers);
  CHECK(p.type(0) == oid::int2_array);
  CHECK(p.value(0) == "\0\0\0\1\0\0\0\0\0\0\0\x15\0\0\0\2\0\0\0\1\0\0\0\2\0\7\0\0\0\2\xff\xff"sv);
}

TEST_CASE("an empty array has no dimension") {
  const params p = params::of(std::vector<std::int64_t>{});
  CHECK(p.value(0) == "\0\0\0\0\0\0\0\0\0\0\0\x14"sv);
}

TEST_CASE("an array with NULLs says so and gives them no bytes") {
  const std::vector<std::optional<std::string_view>> texts{"a", std::nullopt, ""};
  const params p = params::of(texts);
  CHECK(p.type(0) == oid::text_array);
  CHECK(p.value(0) == "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1\0\0\0\1\x61\xff\xff\xff\xff\0\0\0\0"sv);
}

}  // namespace pg_params_test
