#include "support/json_value.hpp"

#include "support/catch.hpp"

namespace support_json_value_test {

using coffer::test::json_value;

TEST_CASE("the tests' JSON reader gives members, elements and values") {
  const auto value = json_value::parse(R"( {"a":[1,-2,3.5,1e2],"b":{"c":null,"d":true},"e":"x\u00e9\n\ud83d\ude00"} )");
  CHECK(value["a"].size() == 4);
  CHECK(value["a"][1] == -2);
  CHECK(!value["a"][2].is_integer());
  CHECK(value["a"][3].number() == 100);
  CHECK(value["b"]["c"] == nullptr);
  CHECK(value["b"]["d"].boolean());
  CHECK(value["e"] == "x\u00e9\n\U0001F600");
  CHECK(value.names() == std::vector<std::string>{"a", "b", "e"});
  CHECK(json_value::parse(value.dump()) == value);
  CHECK(json_value::parse(R"({"x":1,"y":2})") == json_value::parse(R"({"y":2,"x":1})"));
  CHECK_THROWS_AS(value["missing"], std::runtime_error);
  CHECK_THROWS_AS(value["e"].integer(), std::runtime_error);
}

TEST_CASE("the tests' JSON reader refuses what is not JSON") {
  for (const char* text : {"", "{", "[1,]", "{\"a\":1,\"a\":2}", "01", "1.", "+1", "nul", "\"\t\"", "\"\\x\"", "[1] 2",
                           "{\"a\" 1}", "\"\\ud800\"", "\"open"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(json_value::parse(text), std::runtime_error);
  }
}

}  // namespace support_json_value_test
