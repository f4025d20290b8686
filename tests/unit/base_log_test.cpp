#include "coffer/base/log_line.hpp"

#include <chrono>
#include <limits>
#include <optional>
#include <set>

#include "support/catch.hpp"
#include "support/json_value.hpp"

namespace base_log_test {

using namespace coffer;
using coffer::test::json_value;

namespace {

timestamp some_time() { return *from_rfc3339("2026-11-22T23:13:50.123456Z"); }

}  // namespace

TEST_CASE("a log line in JSON names time, level and event before its fields") {
  CHECK(log::json_line(some_time(), log::level::warn, "pool_exhausted",
                       {{"waiting", 7}, {"ratio", 0.5}, {"healthy", false}, {"host", "db1"}}) ==
        R"({"time":"2026-11-22T23:13:50.123456Z","level":"warn","event":"pool_exhausted",)"
        R"("waiting":7,"ratio":0.5,"healthy":false,"host":"db1"})");
}

TEST_CASE("no byte in a value breaks a JSON log line") {
  for (int c = 0; c < 256; ++c) {
    const std::string value = std::string{"a"} + static_cast<char>(c) + "\",\"level\":\"error";
    const std::string line = log::json_line(some_time(), log::level::info, "request", {{"path", value}});
    CAPTURE(c, line);
    CHECK(line.find('\n') == std::string::npos);
    const auto parsed = json_value::parse(line);
    CHECK(parsed.size() == 4);
    CHECK(parsed["level"] == "info");
    if (c < 128) {
      CHECK(parsed["path"] == value);
    }
  }
}

TEST_CASE("a number that JSON cannot spell is null in a log line") {
  const auto line = log::json_line(some_time(), log::level::info, "e",
                                   {{"a", std::numeric_limits<double>::quiet_NaN()},
                                    {"b", -std::numeric_limits<double>::infinity()},
                                    {"c", std::numeric_limits<std::int64_t>::min()}});
  const auto parsed = json_value::parse(line);
  CHECK(parsed["a"] == nullptr);
  CHECK(parsed["b"] == nullptr);
  CHECK(parsed["c"] == std::numeric_limits<std::int64_t>::min());
}

TEST_CASE("a log line for a terminal is short and escapes what a terminal would obey") {
  CHECK(log::text_line(some_time(), log::level::info, "started", {{"port", 8080}, {"host", "a b"}, {"empty", ""}}) ==
        R"(23:13:50.123Z info  started port=8080 host="a b" empty="")");
  CHECK(log::text_line(some_time(), log::level::error, "e", {{"v", "\x1B[2J\n"}}) ==
        R"(23:13:50.123Z error e v=\u001b[2J\n)");
  CHECK(log::text_line(some_time(), log::level::debug, "e", {{"v", "k=v"}}) == R"(23:13:50.123Z debug e v="k=v")");
}

TEST_CASE("a duration has three decimals, and what has no value is not in the line") {
  const std::optional<std::int64_t> none;
  const std::optional<std::string_view> name{"x"};
  CHECK(
      log::json_line(some_time(), log::level::info, "e",
                     {{"a_ms", std::chrono::duration<double>{0.5002001149999999}},
                      {"b_ms", std::chrono::seconds{2}},
                      {"key", none},
                      {"name", name}}) ==
      R"({"time":"2026-11-22T23:13:50.123456Z","level":"info","event":"e","a_ms":500.200,"b_ms":2000.000,"name":"x"})");
  CHECK(log::text_line(some_time(), log::level::info, "e", {{"key", none}}) == "23:13:50.123Z info  e");
}

TEST_CASE("only the level is coloured, each in a colour of its own") {
  std::set<std::string> seen;
  for (const auto l : {log::level::debug, log::level::info, log::level::warn, log::level::error}) {
    const std::string plain = log::text_line(some_time(), l, "e", {{"k", "v"}});
    const std::string coloured = log::text_line(some_time(), l, "e", {{"k", "v"}}, true);
    CHECK(plain.find('\x1B') == std::string::npos);
    CHECK(coloured.starts_with("23:13:50.123Z \x1B["));
    CHECK(coloured.ends_with("\x1B[0m e k=v"));
    CHECK(seen.insert(coloured.substr(0, coloured.find('m'))).second);
  }
}

TEST_CASE("a field may be shown in text by its value alone, or not at all") {
  CHECK(log::text_line(some_time(), log::level::info, "request",
                       {log::field{"method", "GET"}.as(log::in_text::bare),
                        log::field{"duration_ms", std::chrono::microseconds{1234}}.as(log::in_text::bare),
                        log::field{"peer", "::1"}.as(log::in_text::absent),
                        {"user_id", 7}}) == "23:13:50.123Z info  GET 1.234ms user_id=7");
}

}  // namespace base_log_test
