#include "coffer/api/cursor.hpp"

#include <random>

#include "support/catch.hpp"

namespace api_cursor_test {

using namespace coffer;

namespace {

bool refused(std::string_view cursor, std::string_view scope) {
  const auto position = api::read_cursor(cursor, scope);
  return !position && position.error().code == errc::invalid_cursor;
}

}  // namespace

TEST_CASE("a cursor gives back its position") {
  for (const std::int64_t position :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{255}, (std::int64_t{1} << 53) - 1}) {
    CHECK(api::read_cursor(api::make_cursor(position, "users/1"), "users/1") == position);
  }
}

TEST_CASE("a cursor needs no encoding in a query string") {
  const std::string cursor = api::make_cursor(123456789, "products active=true");
  CHECK(cursor.find_first_not_of("0123456789abcdef-") == std::string::npos);
}

TEST_CASE("a cursor of another list or other filters is refused") {
  const std::string cursor = api::make_cursor(7, "users/1 kind=purchase");
  CHECK(refused(cursor, "users/2 kind=purchase"));
  CHECK(refused(cursor, "users/1"));
  CHECK(refused(cursor, ""));
}

TEST_CASE("a cursor that was altered anywhere is refused") {
  const std::string cursor = api::make_cursor(123456, "s");
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    for (const char c : std::string_view{"0f-A "}) {
      std::string altered = cursor;
      altered[i] = c;
      CAPTURE(altered);
      CHECK((altered == cursor || refused(altered, "s")));
    }
    CHECK(refused(cursor.substr(0, i), "s"));
  }
  for (const std::string& text :
       {"0" + cursor, cursor + "0", "-" + cursor, " " + cursor, cursor + cursor, "+" + cursor, "0x" + cursor}) {
    CAPTURE(text);
    CHECK(refused(text, "s"));
  }
}

TEST_CASE("random cursors are refused") {
  std::mt19937_64 random{42};
  constexpr std::string_view likely = "0123456789abcdef-";
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (std::uint64_t n = random() % 40; n > 0; --n) {
      text += random() % 8 == 0 ? static_cast<char>(random()) : likely[random() % likely.size()];
    }
    REQUIRE(refused(text, "s"));
  }
}

}  // namespace api_cursor_test
