#include "coffer/json/schema.hpp"

#include "support/catch.hpp"

namespace json_schema_test {

using namespace coffer;

namespace {

enum class colour : std::int16_t { red = 1, blue = 2 };
using widget_id = strong<struct widget_id_tag>;

struct widget {
  std::string name;
  std::int64_t count = 1;
  bool active = true;
  colour paint = colour::red;
  std::optional<widget_id> parent;
  std::optional<std::string> note;
};

json::object<widget> widget_schema() {
  return json::object<widget>{"Widget"}
      .required("name", &widget::name, json::text{2, 4, json::charset::line}, "Its name.")
      .optional("count", &widget::count, json::integer{0, 10}, "How many.")
      .optional("active", &widget::active, json::boolean{}, "On or off.")
      .optional("paint", &widget::paint, json::choice{{"red", "blue"}}, "Its colour.")
      .optional("parent", &widget::parent, json::integer{1, json::max_exact_integer}, "The one above.")
      .optional("note", &widget::note, json::text{0, 20, json::charset::text}, "Anything.")
      .fixed("serial", "is given once")
      .rule([](const widget& w, json::violations& found) {
        if (w.paint == colour::blue && w.count > 5) {
          found.add("count", "too_blue", "at most 5 blue ones", {{"maximum", 5}});
        }
      });
}

/// "pointer code(param=value) | ..." of a refusal; "ok" when there is none.
std::string violations_of(std::string body) {
  const auto read = widget_schema().read(body);
  if (read) {
    return "ok";
  }
  if (read.error().code != errc::validation_failed) {
    return std::string{to_string(read.error().code)};
  }
  std::string list;
  for (const field_error& f : read.error().fields) {
    list += list.empty() ? "" : " | ";
    list += f.pointer + " " + f.code;
    for (const auto& [name, number] : f.params) {
      list += "(" + name + "=" + std::to_string(number) + ")";
    }
    CHECK(!f.detail.empty());
  }
  return list;
}

bool holds(json::charset chars, std::string_view text) {
  struct one {
    std::string s;
  };
  const auto schema = json::object<one>{"One"}.required("s", &one::s, json::text{0, 300, chars}, "");
  std::string body = "{\"s\":\"";
  for (const char c : text) {
    static constexpr std::string_view hex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || c == '"' || c == '\\') {
      body += "\\u00";
      body += hex[byte >> 4U];
      body += hex[byte & 15U];
    } else {
      body += c;
    }
  }
  body += "\"}";
  const auto read = schema.read(body);
  if (!read) {
    REQUIRE(read.error().fields.size() == 1);
    CHECK(read.error().fields[0].code == "pattern");
    return false;
  }
  CHECK(read->s == text);
  return true;
}

}  // namespace

TEST_CASE("a full body gives every member") {
  std::string body =
      R"({"name":"abcd","count":0,"active":false,"paint":"blue","parent":9007199254740991,"note":"a\tb\r\n"})";
  const auto read = widget_schema().read(body);
  REQUIRE(read);
  CHECK(read->name == "abcd");
  CHECK(read->count == 0);
  CHECK(!read->active);
  CHECK(read->paint == colour::blue);
  CHECK(read->parent == widget_id{9007199254740991});
  CHECK(read->note == "a\tb\r\n");
}

TEST_CASE("members that are left out keep their initial values") {
  std::string body = GENERATE(R"({"name":"ab"})",
                              R"({"name":"ab","count":null,"active":null,"paint":null,"parent":null,"note":null})");
  const auto read = widget_schema().read(body);
  REQUIRE(read);
  CHECK(read->count == 1);
  CHECK(read->active);
  CHECK(read->paint == colour::red);
  CHECK(!read->parent);
  CHECK(!read->note);
}

TEST_CASE("each rule has its code and its numbers") {
  CHECK(violations_of("{}") == "#/name required");
  CHECK(violations_of(R"({"name":"a"})") == "#/name min_length(min_length=2)");
  CHECK(violations_of(R"({"name":"abcde"})") == "#/name max_length(max_length=4)");
  CHECK(violations_of(R"({"name":"a\u0000b"})") == "#/name pattern");
  CHECK(violations_of(R"({"name":7})") == "#/name type");
  CHECK(violations_of(R"({"name":null})") == "#/name type");
  CHECK(violations_of(R"({"name":"ab","count":-1})") == "#/count greater_than_or_equal(minimum=0)");
  CHECK(violations_of(R"({"name":"ab","count":11})") == "#/count less_than_or_equal(maximum=10)");
  CHECK(violations_of(R"({"name":"ab","parent":0})") == "#/parent greater_than(limit=0)");
  CHECK(violations_of(R"({"name":"ab","active":1})") == "#/active type");
  CHECK(violations_of(R"({"name":"ab","active":"true"})") == "#/active type");
  CHECK(violations_of(R"({"name":"ab","paint":"green"})") == "#/paint enum");
  CHECK(violations_of(R"({"name":"ab","paint":"Red"})") == "#/paint enum");
  CHECK(violations_of(R"({"name":"ab","paint":1})") == "#/paint type");
  CHECK(violations_of(R"({"name":"ab","serial":1})") == "#/serial immutable");
  CHECK(violations_of(R"({"name":"ab","Name":"ab"})") == "#/Name unknown_member");
  CHECK(violations_of(R"({"name":"ab","paint":"blue","count":6})") == "#/count too_blue(maximum=5)");
}

TEST_CASE("only a whole number is an integer, in any spelling") {
  const auto count = [](const std::string& number) { return violations_of(R"({"name":"ab","count":)" + number + "}"); };
  for (const char* number : {"0.5", "1e-1", "\"1\"", "true", "[]", "{}"}) {
    CAPTURE(number);
    CHECK(count(number) == "#/count type");
  }
  for (const char* number : {"1.0", "1e0", "1E+0", "100e-2", "-0", "10.00"}) {
    CAPTURE(number);
    CHECK(count(number) == "ok");
  }
  CHECK(count("1e400") == "#/count less_than_or_equal(maximum=10)");
  CHECK(count("-1e0") == "#/count greater_than_or_equal(minimum=0)");
}

TEST_CASE("integers are compared exactly around 2^53 and beyond 64 bits") {
  const auto parent = [](const std::string& number) {
    return violations_of(R"({"name":"ab","parent":)" + number + "}");
  };
  CHECK(parent("9007199254740991") == "ok");
  CHECK(parent("9007199254740991.0") == "ok");
  CHECK(parent("9007199254740991.5") == "#/parent type");
  for (const char* number :
       {"9007199254740992", "9007199254740992.0", "9.007199254740992e15", "9223372036854775807", "9223372036854775808",
        "18446744073709551615", "18446744073709551616", "123456789012345678901234567890"}) {
    CHECK(parent(number) == "#/parent less_than_or_equal(maximum=9007199254740991)");
  }
  for (const char* number : {"-1", "-9223372036854775808", "-9223372036854775809", "-123456789012345678901234567890"}) {
    CHECK(parent(number) == "#/parent greater_than(limit=0)");
  }
}

TEST_CASE("all violations are told at once") {
  CHECK(violations_of(R"({"nmae":"ab","count":99,"active":0,"paint":"x","serial":1})") ==
        "#/nmae unknown_member | #/serial immutable | #/name required | #/count less_than_or_equal(maximum=10) | "
        "#/active type | #/paint enum");
}

TEST_CASE("a rule about the whole body runs only when every member is valid") {
  CHECK(violations_of(R"({"name":"a","paint":"blue","count":6})") == "#/name min_length(min_length=2)");
}

TEST_CASE("a body that is no object is refused") {
  for (const char* body : {"[]", "1", "\"a\"", "null", "true"}) {
    CHECK(violations_of(body) == "# type");
  }
  CHECK(violations_of("{") == "malformed_json");
}

TEST_CASE("length is counted in characters, not in bytes") {
  CHECK(violations_of("{\"name\":\"\u20ac\u20ac\U0001F600\u00e9\"}") == "ok");
  CHECK(violations_of("{\"name\":\"\u20ac\"}") == "#/name min_length(min_length=2)");
  CHECK(violations_of(R"({"name":"\ud83d\ude00"})") == "#/name min_length(min_length=2)");
}

TEST_CASE("a pointer is escaped as RFC 6901 wants it in a fragment") {
  CHECK(violations_of(R"({"name":"ab","a/b~c d\"":1})") == "#/a~1b~0c%20d%22 unknown_member");
  CHECK(violations_of("{\"name\":\"ab\",\"\u00e9\":1}") == "#/%C3%A9 unknown_member");
}

TEST_CASE("a small body cannot make a huge answer") {
  std::string body = R"({"name":"ab")";
  for (int i = 0; i < 2000; ++i) {
    body += ",\"" + std::to_string(i) + "\":0";
  }
  body += "}";
  const auto read = widget_schema().read(body);
  REQUIRE(!read);
  CHECK(read.error().fields.size() == json::max_violations);
}

TEST_CASE("control characters are kept out of lines, and out of text but for line breaks and tabs") {
  for (int c = 0; c < 128; ++c) {
    const std::string text = std::string{"a"} + static_cast<char>(c);
    const bool control = c < 0x20 || c == 0x7F;
    CAPTURE(c);
    CHECK(holds(json::charset::line, text) == !control);
    CHECK(holds(json::charset::text, text) == (!control || c == '\t' || c == '\n' || c == '\r'));
    const bool word =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    CHECK(holds(json::charset::username, text) == word);
  }
  CHECK(!holds(json::charset::username, "\u00e9"));
}

TEST_CASE("plausible e-mail addresses are accepted, others are not") {
  for (const char* email :
       {"a@b.c", "first.last+tag@mail.example.com", "x_y-z@a-b.co", "o'neil@example.org", "1@2.3"}) {
    CAPTURE(email);
    CHECK(holds(json::charset::email, email));
  }
  const std::string long_local(65, 'a');
  const std::string long_label(64, 'a');
  for (const std::string& email :
       {std::string{""},        std::string{"a"},        std::string{"@"},         std::string{"@b.c"},
        std::string{"a@"},      std::string{"a@b"},      std::string{"a@b."},      std::string{"a@.b"},
        std::string{"a@b..c"},  std::string{"a@@b.c"},   std::string{"a@b@c.d"},   std::string{"a b@c.d"},
        std::string{"a@b c.d"}, std::string{"a@b.c\n"},  std::string{"a@-b.c"},    std::string{"a@b-.c"},
        std::string{"a@b_c.d"}, std::string{"<a@b.c>"},  std::string{"\"a\"@b.c"}, std::string{"\u00e9@b.c"},
        long_local + "@b.c",    "a@" + long_label + ".c"}) {
    CAPTURE(email);
    CHECK(!holds(json::charset::email, email));
  }
}

TEST_CASE("a description tells what documentation needs") {
  const auto schema = widget_schema();
  CHECK(schema.name() == "Widget");
  const auto members = schema.members();
  REQUIRE(members.size() == 6);
  CHECK(members[0].name == "name");
  CHECK(members[0].type == "string");
  CHECK(members[0].required);
  CHECK(members[0].minimum == 2);
  CHECK(members[0].maximum == 4);
  CHECK(members[1].type == "integer");
  CHECK(!members[1].required);
  CHECK(members[1].description == "How many.");
  CHECK(members[2].type == "boolean");
  CHECK(members[3].names == std::vector<std::string_view>{"red", "blue"});
}

}  // namespace json_schema_test
