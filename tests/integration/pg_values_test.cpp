#include <array>
#include <cmath>
#include <limits>

#include "coffer/base/ids.hpp"
#include "support/catch.hpp"
#include "support/pg_environment.hpp"

using namespace coffer;
using pg::params;
using test::pg_session;

namespace {

constexpr pg::statement echo_int8{"echo_int8", "select $1::int8"};
constexpr pg::statement echo_scalars{"echo_scalars",
                                     "select $1::int2, $2::int4, $3::int8, $4::bool, $5::float8, $6::text, "
                                     "$7::timestamptz, $8::bytea"};
constexpr pg::statement unnest_int8{"unnest_int8", "select a, n from unnest($1::int8[]) with ordinality u(a, n)"};
constexpr pg::statement unnest_int2{"unnest_int2", "select a from unnest($1::int2[]) with ordinality u(a, n)"};
constexpr pg::statement unnest_bool{"unnest_bool", "select a from unnest($1::bool[]) with ordinality u(a, n)"};
constexpr pg::statement unnest_text{"unnest_text", "select a from unnest($1::text[]) with ordinality u(a, n)"};
constexpr pg::statement unnest_bytea{"unnest_bytea", "select a from unnest($1::bytea[]) with ordinality u(a, n)"};
constexpr pg::statement unnest_time{"unnest_time", "select a from unnest($1::timestamptz[]) with ordinality u(a, n)"};

/// For what is large: the server's own limit for a statement counts the time it takes to send it.
pg::options patient() {
  pg::options how = test::database_options();
  how.statement_timeout = std::chrono::seconds{30};
  return how;
}

std::int64_t nth(std::size_t i) { return static_cast<std::int64_t>(i) * 7'000'000'007 - 3; }

}  // namespace

TEST_CASE("every scalar parameter type comes back as it was sent") {
  pg_session session;
  const timestamp time = *from_rfc3339("2026-11-22T23:13:50.123456Z");
  const std::string bytes{"\0\1\xff quite binary", 17};
  const auto r = session.query(echo_scalars, std::move(params{}
                                                           .add(std::int16_t{-12})
                                                           .add(std::int32_t{-70000})
                                                           .add(std::int64_t{1} << 53)
                                                           .add(true)
                                                           .add(-2.5)
                                                           .add("grüße, 世界 🪙")
                                                           .add(time)
                                                           .add_bytes(bytes)));
  REQUIRE(r.size() == 1);
  CHECK(r.columns() == 8);
  CHECK(r.int16(0, 0) == -12);
  CHECK(r.int32(0, 1) == -70000);
  CHECK(r.int64(0, 2) == std::int64_t{1} << 53);
  CHECK(r.boolean(0, 3));
  CHECK(r.float64(0, 4) == -2.5);
  CHECK(r.text(0, 5) == "grüße, 世界 🪙");
  CHECK(r.time(0, 6) == time);
  CHECK(r.bytes(0, 7) == bytes);
  CHECK(r.command_tag() == "SELECT 1");
  CHECK(r.affected() == 1);
}

TEST_CASE("every scalar parameter type can be NULL") {
  pg_session session;
  const auto r = session.query(echo_scalars, std::move(params{}
                                                           .add(std::optional<std::int16_t>{})
                                                           .add(std::optional<std::int32_t>{})
                                                           .add(std::optional<user_id>{})
                                                           .add(std::optional<bool>{})
                                                           .add(std::optional<double>{})
                                                           .add(std::optional<std::string_view>{})
                                                           .add(std::optional<timestamp>{})
                                                           .add_bytes(std::optional<std::string_view>{})));
  for (int column = 0; column < 8; ++column) {
    CAPTURE(column);
    CHECK(r.is_null(0, column));
  }
  CHECK_FALSE(r.optional_int16(0, 0));
  CHECK_FALSE(r.optional_int32(0, 1));
  CHECK_FALSE(r.optional_int64(0, 2));
  CHECK_FALSE(r.optional_boolean(0, 3));
  CHECK_FALSE(r.optional_text(0, 5));
  CHECK_FALSE(r.optional_time(0, 6));
  CHECK_FALSE(r.optional_bytes(0, 7));
}

TEST_CASE("optional parameters with a value are the value") {
  pg_session session;
  const auto r = session.query(echo_scalars, std::move(params{}
                                                           .add(std::optional<std::int16_t>{1})
                                                           .add(std::optional<std::int32_t>{2})
                                                           .add(std::optional<user_id>{user_id{3}})
                                                           .add(std::optional<bool>{false})
                                                           .add(std::optional<double>{4})
                                                           .add(std::optional<std::string>{""})
                                                           .add(std::optional<timestamp>{timestamp{}})
                                                           .add_bytes(std::optional<std::string_view>{""})));
  CHECK(r.optional_int16(0, 0) == 1);
  CHECK(r.optional_int32(0, 1) == 2);
  CHECK(r.optional_int64(0, 2) == 3);
  CHECK(r.optional_boolean(0, 3) == false);
  CHECK(r.float64(0, 4) == 4.0);
  CHECK(r.optional_text(0, 5) == "");
  CHECK(r.optional_time(0, 6) == timestamp{});
  CHECK(r.optional_bytes(0, 7) == "");
}

TEST_CASE("the ends of 64 bits and of time come back unchanged") {
  pg_session session;
  for (const std::int64_t value : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1}, std::int64_t{0},
                                   max_json_integer, std::numeric_limits<std::int64_t>::max()}) {
    CHECK(session.query(echo_int8, params::of(value)).int64(0, 0) == value);
  }
  constexpr pg::statement echo_time{"echo_time", "select $1::timestamptz, $1::text"};
  const auto before_1970 = *from_rfc3339("1912-06-23T01:02:03.000004Z");
  CHECK(session.query(echo_time, params::of(before_1970)).time(0, 0) == before_1970);
  CHECK(session.query(echo_time, params::of(timestamp::max())).text(0, 1) == "infinity");
  CHECK(session.query(echo_time, params::of(timestamp::max())).time(0, 0) == timestamp::max());
  CHECK(session.query(echo_time, params::of(timestamp::min())).text(0, 1) == "-infinity");
}

TEST_CASE("arrays of none, one and ten thousand integers arrive complete and in order") {
  pg_session session;
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{10'000}}) {
    CAPTURE(count);
    std::vector<std::int64_t> numbers;
    std::vector<user_id> users;
    std::vector<std::int16_t> shorts;
    std::vector<timestamp> times;
    for (std::size_t i = 0; i < count; ++i) {
      numbers.push_back(nth(i));
      users.push_back(user_id{nth(i)});
      shorts.push_back(static_cast<std::int16_t>(i % 65'536 - 32'768));
      times.push_back(timestamp{std::chrono::microseconds{nth(i)}});
    }
    const auto plain = session.query(unnest_int8, params::of(numbers));
    const auto strongly = session.query(unnest_int8, params::of(users));
    const auto small = session.query(unnest_int2, params::of(shorts));
    const auto instants = session.query(unnest_time, params::of(times));
    REQUIRE(plain.size() == static_cast<int>(count));
    REQUIRE(strongly.size() == static_cast<int>(count));
    REQUIRE(small.size() == static_cast<int>(count));
    REQUIRE(instants.size() == static_cast<int>(count));
    bool same = true;
    for (int i = 0; i < plain.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      same = same && plain.int64(i, 0) == numbers[at] && plain.int64(i, 1) == i + 1 &&
             strongly.int64(i, 0) == numbers[at] && small.int16(i, 0) == shorts[at] && instants.time(i, 0) == times[at];
    }
    CHECK(same);
  }
}

TEST_CASE("arrays of none, one and ten thousand texts and byte strings arrive complete and in order") {
  pg_session session;
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{10'000}}) {
    CAPTURE(count);
    std::vector<std::string> texts;
    std::vector<std::optional<std::string_view>> views;
    for (std::size_t i = 0; i < count; ++i) {
      texts.push_back(std::string(i % 50, 'x') + "ß");
    }
    for (std::size_t i = 0; i < count; ++i) {
      views.push_back(i % 3 == 1 ? std::nullopt : std::optional<std::string_view>{texts[i]});
    }
    const auto plain = session.query(unnest_text, params::of(texts));
    const auto with_null = session.query(unnest_text, params::of(views));
    const auto bytes = session.query(unnest_bytea, std::move(params{}.add_bytea_array(views)));
    REQUIRE(plain.size() == static_cast<int>(count));
    REQUIRE(with_null.size() == static_cast<int>(count));
    REQUIRE(bytes.size() == static_cast<int>(count));
    bool same = true;
    for (int i = 0; i < plain.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      same = same && plain.text(i, 0) == texts[at] && with_null.optional_text(i, 0) == views[at] &&
             bytes.optional_bytes(i, 0) == views[at];
    }
    CHECK(same);
  }
}

TEST_CASE("NULL elements of integer arrays stay NULL, and booleans stay themselves") {
  pg_session session;
  const std::vector<std::optional<std::int64_t>> numbers{1, std::nullopt, 3, std::nullopt};
  const auto r = session.query(unnest_int8, params::of(numbers));
  REQUIRE(r.size() == 4);
  CHECK(r.optional_int64(0, 0) == 1);
  CHECK(r.is_null(1, 0));
  CHECK(r.optional_int64(2, 0) == 3);
  CHECK(r.is_null(3, 0));
  const std::vector<std::optional<std::int64_t>> nothing{std::nullopt};
  CHECK(session.query(unnest_int8, params::of(nothing)).is_null(0, 0));
  const std::array<bool, 3> flags{true, false, true};
  const auto b = session.query(unnest_bool, params::of(std::span<const bool>{flags}));
  CHECK((b.boolean(0, 0) && !b.boolean(1, 0) && b.boolean(2, 0)));
}

TEST_CASE("a result of 64k rows and one of many megabytes arrive complete") {
  pg_session session{patient()};
  constexpr pg::statement many{"many", "select n, n * 2 from generate_series(0, 65535) n"};
  const auto r = session.query(many);
  REQUIRE(r.size() == 65536);
  std::int64_t sum = 0;
  for (int i = 0; i < r.size(); ++i) {
    sum += r.int32(i, 1);
  }
  CHECK(sum == std::int64_t{65535} * 65536);
  constexpr pg::statement wide{"wide", "select repeat('x', $1::int4) from generate_series(1, 3)"};
  const auto w = session.query(wide, params::of(std::int32_t{8'000'000}));
  CHECK(w.size() == 3);
  CHECK(w.text(2, 0).size() == 8'000'000);
}

TEST_CASE("a parameter larger than all socket buffers arrives while the server answers") {
  pg_session session{patient()};
  constexpr pg::statement echo_text{"echo_text", "select $1::text"};
  const std::string large(24'000'000, 'y');
  pg::pipeline both;
  both.add(echo_text, params::of(large)).add(echo_text, params::of(large)).add(echo_int8, params::of(std::int64_t{5}));
  const auto r = session.run(std::move(both), std::chrono::seconds{30});
  REQUIRE(r.size() == 3);
  CHECK(r[0].text(0, 0) == large);
  CHECK(r[1].text(0, 0) == large);
  CHECK(r[2].int64(0, 0) == 5);
}
