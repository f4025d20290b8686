#include "coffer/base/text.hpp"

#include <algorithm>

#include "support/catch.hpp"
#include "support/json_value.hpp"

namespace base_text_test {

using namespace std::string_view_literals;
using coffer::truncate;
using coffer::utf8_sequence;

TEST_CASE("a well-formed UTF-8 sequence is measured") {
  CHECK(utf8_sequence("a\xC3") == 1);
  CHECK(utf8_sequence("\0"sv) == 1);
  CHECK(utf8_sequence("\x7F") == 1);
  CHECK(utf8_sequence("\xC2\x80") == 2);
  CHECK(utf8_sequence("\xDF\xBFx") == 2);
  CHECK(utf8_sequence("\xE0\xA0\x80") == 3);
  CHECK(utf8_sequence("\xED\x9F\xBF") == 3);
  CHECK(utf8_sequence("\xEE\x80\x80") == 3);
  CHECK(utf8_sequence("\xF0\x90\x80\x80") == 4);
  CHECK(utf8_sequence("\xF4\x8F\xBF\xBF") == 4);
}

TEST_CASE("ill-formed UTF-8 has no sequence") {
  for (const std::string_view text : {
           ""sv,                  // nothing
           "\x80"sv,              // a continuation alone
           "\xC0\x80"sv,          // overlong NUL
           "\xC1\xBF"sv,          // overlong
           "\xC3"sv,              // cut off
           "\xC3x"sv,             // wrong continuation
           "\xE0\x9F\xBF"sv,      // overlong
           "\xE2\x82"sv,          // cut off
           "\xE2\x82x"sv,         // wrong third byte
           "\xED\xA0\x80"sv,      // surrogate
           "\xF0\x8F\xBF\xBF"sv,  // overlong
           "\xF0\x9F\x98"sv,      // cut off
           "\xF4\x90\x80\x80"sv,  // past U+10FFFF
           "\xF5\x80\x80\x80"sv,  // no such lead
           "\xFF"sv,
       }) {
    CAPTURE(text);
    CHECK(utf8_sequence(text) == 0);
  }
}

TEST_CASE("text is cut between characters") {
  CHECK(coffer::truncate("abc", 3) == "abc");
  CHECK(coffer::truncate("abcd", 3) == "abc");
  CHECK(coffer::truncate("", 0).empty());
  CHECK(coffer::truncate("a\xC3\xA9", 2) == "a");
  CHECK(coffer::truncate("a\xE2\x82\xAC", 3) == "a");
  CHECK(coffer::truncate("\xF0\x9F\x98\x80", 3).empty());
  CHECK(coffer::truncate("\xF0\x9F\x98\x80x", 4) == "\xF0\x9F\x98\x80");
  // Not UTF-8: cut somewhere near, but never beyond the limit.
  CHECK(coffer::truncate("\x80\x80\x80\x80\x80\x80\x80\x80", 6).size() <= 6);
}

TEST_CASE("every byte becomes valid JSON, and everything but what is not UTF-8 comes back") {
  for (int c = 0; c < 256; ++c) {
    for (std::size_t before = 0; before < 18; ++before) {
      const std::string text = std::string(before, 'x') + static_cast<char>(c) + std::string(9, 'y');
      std::string json = "\"";
      coffer::append_json_escaped(json, text);
      json += '"';
      CAPTURE(c, before, json);
      const std::string back = coffer::test::json_value::parse(json).text();
      REQUIRE(back == (c < 0x80 ? text : std::string(before, 'x') + "\xEF\xBF\xBD" + std::string(9, 'y')));
      REQUIRE(std::none_of(json.begin(), json.end(),
                           [](char plain) { return static_cast<unsigned char>(plain) < 0x20 || plain == 0x7F; }));
    }
  }
}

TEST_CASE("control characters are escaped in the short form where JSON has one") {
  std::string out;
  coffer::append_json_escaped(out, "\"\\\b\f\n\r\t\0\x1B\x7F/"sv);
  CHECK(out == R"(\"\\\b\f\n\r\t\u0000\u001b\u007f/)");
}

TEST_CASE("characters beyond ASCII are copied as they are") {
  std::string out;
  coffer::append_json_escaped(out, "\u00e9\u20ac\U0001F600");
  CHECK(out == "\u00e9\u20ac\U0001F600");
  out.clear();
  coffer::append_json_escaped(out, "a\xE2\x82z\xC3");
  CHECK(out == "a\\ufffd\\ufffdz\\ufffd");
}

TEST_CASE("spaces and zero-width characters are not seen, everything else is") {
  for (const char* text :
       {"", " ", "\u00A0\u3000\t", "\u200B\u200D\uFEFF", "\u00AD\u2060\u3164", "\U000E0041 \uFE0F"}) {
    CAPTURE(text);
    CHECK(!coffer::has_visible(text));
  }
  for (const char* text : {"a", " \u200B.", "\u00E9", "\u20AC", "\U0001F600", "\u0301", "\xFF"}) {
    CAPTURE(text);
    CHECK(coffer::has_visible(text));
  }
}

}  // namespace base_text_test
