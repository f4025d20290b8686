#include "coffer/json/writer.hpp"

#include <limits>

#include "support/catch.hpp"
#include "support/json_value.hpp"

namespace json_writer_test {

using namespace coffer;

TEST_CASE("commas stand between members and elements, at every depth") {
  std::string out;
  json::writer w{out};
  w.begin_object();
  w.key("a");
  w.value(1);
  w.key("b");
  w.begin_array();
  w.value("x");
  w.null();
  w.begin_object();
  w.end_object();
  w.begin_array();
  w.end_array();
  w.value(true);
  w.end_array();
  w.key("c");
  w.raw(R"({"d":[]})");
  w.key("e");
  w.value(false);
  w.end_object();
  CHECK(out == R"({"a":1,"b":["x",null,{},[],true],"c":{"d":[]},"e":false})");
}

TEST_CASE("integers are written exactly to the ends of their types") {
  std::string out;
  json::writer w{out};
  w.begin_array();
  w.value(std::numeric_limits<std::int64_t>::min());
  w.value(std::numeric_limits<std::int64_t>::max());
  w.value(std::numeric_limits<std::uint64_t>::max());
  w.value(std::int16_t{-7});
  w.value(0);
  w.end_array();
  CHECK(out == "[-9223372036854775808,9223372036854775807,18446744073709551615,-7,0]");
}

TEST_CASE("a string of any bytes is written as valid JSON, in names as well") {
  for (int c = 0; c < 256; ++c) {
    const std::string text(3, static_cast<char>(c));
    std::string out = "before ";
    json::writer w{out};
    w.begin_object();
    w.dynamic_key(text);
    w.value(text);
    w.end_object();
    CAPTURE(c, out);
    REQUIRE(out.starts_with("before {"));
    const auto parsed = test::json_value::parse(out.substr(7));
    REQUIRE(parsed.size() == 1);
    const std::string expected = c < 0x80 ? text : "\uFFFD\uFFFD\uFFFD";
    CHECK(parsed.members().front().first == expected);
    CHECK(parsed.members().front().second == expected);
  }
}

}  // namespace json_writer_test
