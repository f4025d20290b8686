#include "coffer/cache/bypass_set.hpp"

#include "support/catch.hpp"

namespace cache_bypass_set_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

const cache::bypass_set::time start{1h};
constexpr user_id a{1};
constexpr user_id b{2};
constexpr user_id c{3};

}  // namespace

TEST_CASE("a user is remembered for the time given, from the last loss on") {
  cache::bypass_set s{10, 300s};
  CHECK(!s.contains(a, start));
  s.add(a, start);
  s.add(b, start + 1s);
  s.add(a, start + 2s);
  CHECK(s.size() == 2);
  CHECK(s.contains(a, start + 301s));
  CHECK(!s.contains(b, start + 301s));
  CHECK(!s.contains(a, start + 302s));
  CHECK(s.size() == 0);
}

TEST_CASE("a user is forgiven by a success that was sent after the loss was noted, not by an earlier one") {
  cache::bypass_set s{10, 300s};
  const auto before = s.now_mark();
  s.add(a, start);
  const auto after = s.now_mark();
  s.add(b, start);
  s.forgive(a, before);
  CHECK(s.contains(a, start));
  s.forgive(b, after);
  CHECK(s.contains(b, start));
  s.forgive(a, after);
  CHECK(!s.contains(a, start));
  s.forgive(c, after);
}

TEST_CASE("beyond the limit everybody is remembered") {
  cache::bypass_set s{2, 300s};
  s.add(a, start);
  s.add(b, start);
  s.add(a, start);
  CHECK(!s.contains(c, start));
  CHECK(!s.everybody(start));
  s.add(c, start + 1s);
  CHECK(s.everybody(start + 1s));
  CHECK(s.contains(user_id{99}, start + 300s));
  CHECK(!s.contains(user_id{99}, start + 301s));
  CHECK(s.empty(start + 301s));
}

TEST_CASE("a new epoch forgives all that was noted before it, the overflow too, and nothing after") {
  cache::bypass_set s{1, 300s};
  s.add(a, start);
  s.add(b, start);
  const auto renewed = s.now_mark();
  SECTION("nothing was lost since") {
    s.forgive_all(renewed);
    CHECK(s.empty(start));
  }
  SECTION("a user was lost since") {
    s.add(a, start);
    s.forgive_all(renewed);
    CHECK(s.contains(a, start));
    CHECK(!s.everybody(start));
  }
  SECTION("it overflowed again since") {
    s.add(c, start);
    s.forgive_all(renewed);
    CHECK(s.everybody(start));
    CHECK(s.size() == 0);
  }
}

TEST_CASE("those who were lost first are named first") {
  cache::bypass_set s{10, 300s};
  s.add(a, start);
  s.add(b, start);
  s.add(c, start);
  s.add(a, start);
  CHECK(s.oldest(2) == std::vector<user_id>{b, c});
  CHECK(s.oldest(9) == std::vector<user_id>{b, c, a});
}

}  // namespace cache_bypass_set_test
