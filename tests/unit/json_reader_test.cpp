#include "coffer/json/reader.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <random>

#include "support/catch.hpp"
#include "support/json_value.hpp"

namespace json_reader_test {

using namespace coffer;
using namespace std::literals;

namespace {

/// The refusal of a document; empty when it is accepted.
std::string refusal_of(std::string text) {
  const auto parsed = json::parse(text);
  if (parsed) {
    return {};
  }
  CHECK(parsed.error().code == errc::malformed_json);
  return parsed.error().detail;
}

/// By decoding every character, which is another way than the reader's.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    const int more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : lead >> 3 == 30 ? 3 : -1;
    if (more < 0) {
      return false;
    }
    unsigned point = more == 0 ? lead : lead & (0x3FU >> static_cast<unsigned>(more));
    for (int k = 0; k < more; ++k, ++i) {
      if (i == text.size() || (static_cast<unsigned char>(text[i]) >> 6) != 2) {
        return false;
      }
      point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
    }
    constexpr std::array<unsigned, 4> least = {0, 0x80, 0x800, 0x10000};
    if (point < least[static_cast<std::size_t>(more)] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
      return false;
    }
  }
  return true;
}

bool oracle_accepts(const std::string& text) {
  try {
    test::json_value::parse(text);
    return is_utf8(text);
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::string nested(std::size_t depth, std::string_view inside) {
  return std::string(depth, '[') + std::string{inside} + std::string(depth, ']');
}

std::int64_t integer_of(std::string text) {
  const auto parsed = json::parse(text);
  REQUIRE(parsed);
  REQUIRE(parsed->root().kind() == json::kind::integer);
  return parsed->root().as_integer();
}

json::kind kind_of(std::string text) {
  const auto parsed = json::parse(text);
  CAPTURE(text);
  REQUIRE(parsed);
  return parsed->root().kind();
}

}  // namespace

TEST_CASE("every kind of value is read") {
  std::string text = R"( {"null":null,"yes":true,"no":false,"i":-5,"d":1.5,"s":"a\u00e9\n","a":[1,[],{}],"":0} )";
  const auto parsed = json::parse(text);
  REQUIRE(parsed);
  const json::value& root = parsed->root();
  REQUIRE(root.kind() == json::kind::object);
  CHECK(root.members().size() == 8);
  CHECK(root.members()[0].name == "null");
  CHECK(root.find("null")->kind() == json::kind::null);
  CHECK(root.find("yes")->as_boolean());
  CHECK(!root.find("no")->as_boolean());
  CHECK(root.find("i")->as_integer() == -5);
  CHECK(root.find("d")->kind() == json::kind::number);
  CHECK(root.find("s")->as_string() == "a\u00e9\n");
  const auto elements = root.find("a")->elements();
  REQUIRE(elements.size() == 3);
  CHECK(elements[0].as_integer() == 1);
  CHECK(elements[1].elements().empty());
  CHECK(elements[2].members().empty());
  CHECK(root.find("")->as_integer() == 0);
  CHECK(root.find("missing") == nullptr);
}

TEST_CASE("integers are exact to the ends of 64 bits and saturate beyond") {
  CHECK(integer_of("9007199254740991") == 9007199254740991);
  CHECK(integer_of("9007199254740992") == 9007199254740992);
  CHECK(integer_of("9007199254740993") == 9007199254740993);
  CHECK(integer_of("-9007199254740993") == -9007199254740993);
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  CHECK(integer_of("9223372036854775806") == most - 1);
  CHECK(integer_of("9223372036854775807") == most);
  CHECK(integer_of("9223372036854775808") == most);
  CHECK(integer_of("18446744073709551615") == most);
  CHECK(integer_of("18446744073709551616") == most);
  CHECK(integer_of("1" + std::string(400, '0')) == most);
  CHECK(integer_of("-9223372036854775807") == least + 1);
  CHECK(integer_of("-9223372036854775808") == least);
  CHECK(integer_of("-9223372036854775809") == least);
  CHECK(integer_of("-1" + std::string(400, '0')) == least);
  CHECK(integer_of("-0") == 0);
}

TEST_CASE("a number without a fraction is an integer, however it is spelled") {
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  const std::pair<const char*, std::int64_t> whole[] = {
      {"1.0", 1},
      {"1e2", 100},
      {"1E+2", 100},
      {"100e-2", 1},
      {"0.1e1", 1},
      {"0.0", 0},
      {"-0", 0},
      {"-0.0", 0},
      {"0e0", 0},
      {"0e99999999999999999999", 0},
      {"0.000e-99999999999999999999", 0},
      {"-12.50e1", -125},
      {"9007199254740991.0", 9007199254740991},
      {"90071992547409.91e2", 9007199254740991},
      {"9007199254740992.0", 9007199254740992},
      {"9007199254740993.0", 9007199254740993},
      {"1e18", 1'000'000'000'000'000'000},
      {"9223372036854775807.0", most},
      {"1e19", most},
      {"1e400", most},
      {"1.5e300", most},
      {"-1e999999", std::numeric_limits<std::int64_t>::min()},
      {"1e99999999999999999999", most},
  };
  for (const auto& [text, value] : whole) {
    CAPTURE(text);
    CHECK(integer_of(text) == value);
  }
  for (const char* text : {"1.5", "0.1", "1e-1", "1e-400", "15e-1", "9007199254740991.0000000000000001", "-0.5",
                           "100e-3", "1e-99999999999999999999", "0.30000000000000004"}) {
    CAPTURE(text);
    CHECK(kind_of(text) == json::kind::number);
  }
  CHECK(integer_of("1" + std::string(300, '0') + "e-300") == 1);
  CHECK(integer_of("0." + std::string(300, '0') + "7e301") == 7);
  CHECK(kind_of("1" + std::string(300, '0') + "e-301") == json::kind::number);
}

namespace {

/// A number in plain decimal: what its exponent says done to its digits, as one would on paper.
struct plain_decimal {
  plain_decimal(const std::string& whole_part, const std::string& fraction_part, int exponent)
      : whole{whole_part}, fraction{fraction_part} {
    for (; exponent > 0; --exponent) {
      whole += fraction.empty() ? '0' : fraction.front();
      fraction.erase(0, fraction.empty() ? 0 : 1);
    }
    for (; exponent < 0; ++exponent) {
      fraction.insert(fraction.begin(), whole.empty() ? '0' : whole.back());
      whole.resize(whole.empty() ? 0 : whole.size() - 1);
    }
    whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  }
  [[nodiscard]] bool is_whole() const { return fraction.find_first_not_of('0') == std::string::npos; }
  /// Within 64 bits, else the nearest.
  [[nodiscard]] std::int64_t value(bool negative) const {
    const std::string limit = negative ? "9223372036854775808" : "9223372036854775807";
    if (whole.size() > limit.size() || (whole.size() == limit.size() && whole > limit)) {
      return negative ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
    }
    return whole.empty() ? 0 : std::stoll((negative ? "-" : "") + whole);
  }

  std::string whole, fraction;
};

}  // namespace

TEST_CASE("any spelling of a number is read as arithmetic on paper reads it, among other numbers and texts") {
  std::mt19937 random{20261129};
  const auto below = [&random](unsigned n) { return static_cast<std::size_t>(random() % n); };
  const auto digits = [&](std::size_t count) {
    std::string made;
    for (std::size_t i = 0; i < count; ++i) {
      made += "0000123456789999"[below(16)];
    }
    return made;
  };
  constexpr const char* edges[] = {"9007199254740991", "9007199254740992", "9223372036854775807",
                                   "9223372036854775808"};
  for (int round = 0; round < 4000; ++round) {
    std::string whole = below(4) == 0 ? edges[below(4)] : digits(1 + below(22));
    whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
    const std::string fraction = below(2) == 0 ? "" : digits(1 + below(12));
    const bool negative = below(4) == 0;
    const int exponent = below(3) == 0 ? 0 : static_cast<int>(below(40)) - 20;
    std::string spelling = (negative ? "-" : "") + whole;
    spelling += fraction.empty() ? "" : "." + fraction;
    if (exponent != 0 || below(2) == 0) {
      spelling += below(2) == 0 ? "e" : "E";
      spelling += exponent < 0 ? "-" : below(2) == 0 ? "+" : "";
      spelling += std::string(below(3), '0') + std::to_string(std::abs(exponent));
    }
    CAPTURE(spelling);
    const plain_decimal model{whole, fraction, exponent};
    std::string text =
        R"(["1e1\"2\\",3.5,{"-4":)" + spelling + R"(,"5":-6.25e0},99999999999999999999,)" + spelling + "]";
    const auto parsed = json::parse(text);
    REQUIRE(parsed);
    const auto elements = parsed->root().elements();
    for (const json::value& read : {*elements[2].find("-4"), elements[4]}) {
      REQUIRE((read.kind() == json::kind::integer) == model.is_whole());
      if (model.is_whole()) {
        REQUIRE(read.as_integer() == model.value(negative));
      }
      const plain_decimal millionths{whole, fraction, exponent + 6};
      REQUIRE(read.as_millionths() == millionths.value(negative));
    }
    REQUIRE(elements[1].as_millionths() == 3'500'000);
    REQUIRE(elements[2].find("5")->as_millionths() == -6'250'000);
  }
}

TEST_CASE("numbers beyond 64 bits do not disturb their neighbours") {
  std::string text = R"({"a":"x 99999999999999999999 \"","b":99999999999999999999,"c":[1e999,7],"d":"\\"})";
  const auto parsed = json::parse(text);
  REQUIRE(parsed);
  const json::value& root = parsed->root();
  CHECK(root.find("a")->as_string() == "x 99999999999999999999 \"");
  CHECK(root.find("b")->as_integer() == std::numeric_limits<std::int64_t>::max());
  CHECK(root.find("c")->elements()[0].as_integer() == std::numeric_limits<std::int64_t>::max());
  CHECK(root.find("c")->elements()[1].as_integer() == 7);
  CHECK(root.find("d")->as_string() == "\\");
}

TEST_CASE("escapes and surrogate pairs are resolved") {
  std::string text = R"(["\"\\\/\b\f\n\r\t","\u0000","\u00E9\u20ac","\ud83d\uDE00","\ud7ff\ue000"])";
  const auto parsed = json::parse(text);
  REQUIRE(parsed);
  const auto elements = parsed->root().elements();
  CHECK(elements[0].as_string() == "\"\\/\b\f\n\r\t");
  CHECK(elements[1].as_string() == "\0"s);
  CHECK(elements[2].as_string() == "\u00e9\u20ac");
  CHECK(elements[3].as_string() == "\U0001F600");
  CHECK(elements[4].as_string() == "\uD7FF\uE000");
}

TEST_CASE("eight levels are read and nine are refused, empty or not") {
  CHECK(refusal_of(nested(8, "")).empty());
  CHECK(refusal_of(nested(8, "1")).empty());
  CHECK(refusal_of(nested(7, R"({"a":1})")).empty());
  CHECK(refusal_of(nested(7, "{}")).empty());
  for (const std::string& text : {nested(9, ""), nested(9, "1"), nested(8, "{}"), nested(8, R"({"a":1})"),
                                  nested(100000, ""), std::string(100000, '['), nested(7, R"([{"a":1}])")}) {
    const std::string refusal = refusal_of(text);
    CAPTURE(text.substr(0, 40), refusal);
    CHECK(refusal.find("deeper than 8 levels") != std::string::npos);
  }
}

TEST_CASE("a member that appears twice is refused, however the name is spelled") {
  CHECK(refusal_of(R"({"a":1,"b":2,"a":3})") == "the member \"a\" appears twice");
  CHECK(refusal_of(R"({"a":1,"\u0061":3})") == "the member \"a\" appears twice");
  CHECK(refusal_of(R"({"":1,"":1})") == "the member \"\" appears twice");
  CHECK(refusal_of(R"([{"x":{"a":1,"a":1}}])") == "the member \"a\" appears twice");
  CHECK(refusal_of(R"({"a":{"a":1},"A":1})").empty());
  std::string many = "{";
  for (int i = 0; i < 100; ++i) {
    many += "\"m" + std::to_string(i) + "\":0,";
  }
  CHECK(refusal_of(many + R"("last":1})").empty());
  CHECK(refusal_of(many + R"("m50":1})") == "the member \"m50\" appears twice");
}

TEST_CASE("the message about a name that appears twice is UTF-8 however long the name is") {
  std::string name;
  while (name.size() < 200) {
    name += "\u20ac";
  }
  const std::string refusal = refusal_of("{\"" + name + "\":1,\"" + name + "\":2}");
  CHECK(refusal.size() < 100);
  CHECK_NOTHROW(test::json_value::parse("\"" + refusal.substr(12, refusal.size() - 27) + "\""));
}

TEST_CASE("a document holds a bounded number of values") {
  std::string text = "[";
  for (std::size_t i = 1; i < json::max_values; ++i) {
    text += "0,";
  }
  std::string at_limit = text;
  at_limit.back() = ']';
  CHECK(refusal_of(at_limit).empty());
  CHECK(refusal_of(text + "0]") == "the document holds more than 65536 values");
}

TEST_CASE("the place of a syntax error is told") {
  CHECK(refusal_of("") == "line 1, column 1: the document is empty");
  CHECK(refusal_of("{\"a\":1,}") == "line 1, column 8: expected a member's name in quotes");
  CHECK(refusal_of("{\"a\" 1}") == "line 1, column 6: expected ':'");
  CHECK(refusal_of("{\n  \"a\": 1\n  \"b\": 2\n}") == "line 3, column 3: expected ',' or '}'");
  CHECK(refusal_of("[1 2]") == "line 1, column 4: expected ',' or ']'");
  CHECK(refusal_of("[01]") == "line 1, column 3: a number must not begin with 0");
  CHECK(refusal_of("{} x") == "line 1, column 4: nothing may follow the document");
  CHECK(refusal_of("\"\xFF\"") == "line 1, column 2: not valid UTF-8");
  CHECK(refusal_of("\"\\ud800\"") == "line 1, column 2: half of a surrogate pair");
  CHECK(refusal_of("\xEF\xBB\xBF{}") == "the document starts with a byte order mark");
}

TEST_CASE("what is not JSON is refused, class by class") {
  const std::vector<std::pair<std::string, std::vector<std::string>>> classes = {
      {"nothing", {"", " ", "\n\t\r ", "\0"s, "\xEF\xBB\xBF", "\xEF\xBB\xBF{}", "\xFE\xFF", "\xFF\xFE{\0}\0"s}},
      {"not a value", {"nul",  "Null",     "NULL",      "True", "tru",     "truee", "fals", "undefined", "NaN",
                       "-NaN", "Infinity", "-Infinity", "inf",  "a",       "'a'",   "`a`",  "<x/>",      "#",
                       "*",    "&",        "?",         "\\",   "\\u0031", "@",     "=1"}},
      {"numbers", {"01",    "-01",   "00",  "-",    "+1",   "--1",  "1.",    "-1.",   ".5",   "-.5",          "1.e1",
                   "1e",    "1e+",   "1E-", "1.5e", "0x10", "0b1",  "1_000", "1,000", "1 2",  "1a",           "1.2.3",
                   "1e1.5", "1e1e1", "- 1", "0e",   "0.e1", "1..2", "1+2",   "-a",    "2.e3", "\xEF\xBC\x91", "1\0"s,
                   "0123",  "-012",  "1l",  "1f",   "1n",   "0o7",  "1.0f",  "9.e+",  "-1x"}},
      {"strings",
       {"\"",
        "\"a",
        "a\"",
        "\"a\"\"",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\a\"",
        "\"\\'\"",
        "\"\\0\"",
        "\"\\u\"",
        "\"\\u1\"",
        "\"\\u12\"",
        "\"\\u123\"",
        "\"\\u12g4\"",
        "\"\\U0041\"",
        "\"\\u 041\"",
        "\"\\u+041\"",
        "\"\\\"s",
        "\"\t\"",
        "\"\n\"",
        "\"\r\"",
        "\"\0\""s,
        "\"\x1F\"",
        "\"\x01\"",
        "\"\\\n\"",
        "\"\\u{41}\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\udc00\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud83d\\u\"",
        "\"\\ud83d\\ude0\"",
        "\"\\ud83d\\",
        "\"\\",
        "\"\\ud83d"}},
      {"UTF-8",
       {"\"\x80\"",
        "\"\xBF\"",
        "\"\xC0\xAF\"",
        "\"\xC1\xBF\"",
        "\"\xC3\"",
        "\"\xC3(\"",
        "\"\xE0\x80\xAF\"",
        "\"\xE2\x82\"",
        "\"\xE2(\xA1\"",
        "\"\xED\xA0\x80\"",
        "\"\xED\xBF\xBF\"",
        "\"\xF0\x80\x80\xAF\"",
        "\"\xF0\x9F\x98\"",
        "\"\xF4\x90\x80\x80\"",
        "\"\xF5\x80\x80\x80\"",
        "\"\xF8\x88\x80\x80\x80\"",
        "\"\xFF\"",
        "\"\xFE\"",
        "[\xC2\xA0]",
        "[1\xC2\x85]",
        "\xE2\x80\xA8[]",
        "{\"\xFF\":1}",
        "[1]\xFF"}},
      {"arrays", {"[",         "]",     "[1",           "[1,",    "[1,]",   "[,1]",   "[,]",   "[1,,2]", "[1 2]",
                  "[1;2]",     "[1:2]", "[1}",          "[\"a\"", "[\"a",   "[[]",    "[]]",   "[][]",   "[a]",
                  "[1,\n",     "[1]x",  "[true false]", "[-]",    "[\x0C]", "[\x0B]", "[1]//", "[/**/]", "[1,/*x*/2]",
                  "[\"a\":1]", "[(1)]", "[\\n]",        "[,",     "[nul]",  "[1\0]"s}},
      {"objects",
       {"{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{,\"a\":1}",
        "{\"a\":1,,\"b\":2}",
        "{\"a\" 1}",
        "{\"a\",1}",
        "{\"a\"::1}",
        "{\"a\":1:2}",
        "{\"a\":}",
        "{\"a\"}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{null:1}",
        "{true:1}",
        "{[]:1}",
        "{{}:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1;\"b\":2}",
        "{\"a\"=1}",
        "{\"a\":1]",
        "{\"a\":a}",
        "{\"a\":1}}",
        "{\"a\":1}{}",
        "{\"a\":1}#",
        "{\"a\":/**/1}",
        "{:1}",
        "{\"a\":1,\"b\"}",
        "{\"a\":'b'}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":\"b}",
        "{\"a\nb\":1}",
        "{\"a\\x\":1}"}},
      {"more than one document",
       {"1 2", "{}{}", "[] []", "{} 1", "null null", "\"a\" \"b\"", "{},", ",{}", "1,", "{};"}},
  };
  std::size_t count = 0;
  for (const auto& [name, documents] : classes) {
    for (const std::string& text : documents) {
      CAPTURE(name, text);
      CHECK(!refusal_of(text).empty());
      CHECK(!oracle_accepts(text));
      ++count;
    }
  }
  CHECK(count >= 188);
}

TEST_CASE("every prefix of a document is refused") {
  const std::string whole = R"({"user_id":12,"quantity":[1,-2.5e3,true,null],"s":"\ud83d\ude00 \u00e9 )"
                            "\u20ac"
                            R"(","o":{"x":{}}})";
  REQUIRE(refusal_of(whole).empty());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(!refusal_of(whole.substr(0, size)).empty());
  }
}

TEST_CASE("what lies behind the document in its buffer does not matter") {
  std::string body = R"({"a":1},"b":2})";
  body.reserve(256);
  body.resize(7);
  const auto parsed = json::parse(body);
  REQUIRE(parsed);
  CHECK(parsed->root().find("a")->as_integer() == 1);
}

TEST_CASE("documents of one thread live side by side") {
  std::string first_text = R"({"a":"first"})";
  auto first = json::parse(first_text);
  std::string second_text = R"({"a":"second"})";
  auto second = json::parse(second_text);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->root().find("a")->as_string() == "first");
  CHECK(second->root().find("a")->as_string() == "second");
  const json::document moved = *std::move(first);
  first = std::unexpected(error{errc::malformed_json});
  std::string third_text = "[3]";
  const auto third = json::parse(third_text);
  CHECK(moved.root().find("a")->as_string() == "first");
  CHECK(third->root().elements()[0].as_integer() == 3);
}

TEST_CASE("a small document after a huge one is read as well") {
  std::string huge = "[\"" + std::string(300000, 'x') + "\"]";
  CHECK(json::parse(huge)->root().elements()[0].as_string().size() == 300000);
  std::string small = "[1]";
  CHECK(json::parse(small)->root().elements()[0].as_integer() == 1);
}

TEST_CASE("random and mutated documents are judged as an independent reader judges them") {
  std::mt19937_64 random{20261122};
  const auto below = [&random](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  const std::array<std::string, 6> seeds = {
      R"({"user_id":12,"quantity":3,"expected_price":null})",
      R"([1,-0,2.5e-3,"\u00e9\ud83d\ude00",{"a":[[],{}]},true,false,null])",
      R"({"name":"x","description":"line\nline","price":9007199254740991,"type":"permanent","is_active":true})",
      "[[[[[[[1]]]]]]]",
      "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",
      " [ 1 , 2 ] ",
  };
  constexpr std::string_view alphabet = "{}[]:,\"\\/ \n0123456789-+.eEtrufalsn\0\x80\xC3\xED\xF0\xFF"sv;
  int accepted = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string text = round % 4 == 0 ? std::string{} : seeds[below(seeds.size())];
    if (text.empty()) {
      for (std::size_t n = below(12); n > 0; --n) {
        text += alphabet[below(alphabet.size())];
      }
    }
    for (std::size_t n = below(4); n > 0 && !text.empty(); --n) {
      const std::size_t at = below(text.size());
      switch (below(3)) {
        case 0:
          text[at] = alphabet[below(alphabet.size())];
          break;
        case 1:
          text.erase(at, 1 + below(3));
          break;
        default:
          text.insert(at, 1, alphabet[below(alphabet.size())]);
          break;
      }
    }
    const bool ours = refusal_of(text).empty();
    CAPTURE(round, text);
    REQUIRE(ours == oracle_accepts(text));
    accepted += ours ? 1 : 0;
  }
  CHECK(accepted > 1000);
  CHECK(accepted < 5000);
}

}  // namespace json_reader_test
