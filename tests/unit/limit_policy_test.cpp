// Policies as text, the cell rate algorithm, and addresses as subjects.
#include <deque>
#include <random>

#include "coffer/limit/address_subject.hpp"
#include "coffer/limit/gcra.hpp"
#include "support/catch.hpp"

namespace limit_policy_test {

using namespace coffer;
using namespace std::chrono_literals;
using limit::dimension;

namespace {

limit::policy policy_of(std::int64_t quota, std::chrono::seconds window) {
  limit::policy p;
  p.quota = quota;
  p.window = window;
  return p;
}

limit::clock::time_point at(std::chrono::nanoseconds since_start) {
  return limit::clock::time_point{24h} + since_start;
}

}  // namespace

TEST_CASE("policies are read and written the same way") {
  for (const char* text :
       {"none", "user:10/1s", "key:1/1d", "user:10/1s,key:5000/10s,address:600/1m", "address:7/90s"}) {
    CAPTURE(text);
    CHECK(limit::to_string(limit::parse_policies(text).value()) == text);
  }
  const limit::policies p = limit::parse_policies("address:600/60m,user:3/2s").value();
  CHECK(p.of(dimension::address).quota == 600);
  CHECK(p.of(dimension::address).window == 3600s);
  CHECK(p.of(dimension::user).window == 2s);
  CHECK(!p.of(dimension::key).limits());
}

TEST_CASE("what is no policy is refused") {
  for (const char* text : {"user",
                           "user:10",
                           "user:/1s",
                           "user:10/",
                           "user:10/1",
                           "user:0/1s",
                           "user:-1/1s",
                           "user:1/0s",
                           "user:1/2d",
                           "user:1000000001/1s",
                           "user:1/500ms",
                           "player:1/1s",
                           "user:1/1s,user:2/1s",
                           "user:1/1s;key:1/1s",
                           "user: 1/1s",
                           "1/1s",
                           "user:1.5/1s",
                           "user/1s:1",
                           ",",
                           "user:1/1s,,key:1/1s",
                           "\x01"}) {
    CAPTURE(text);
    CHECK(!limit::parse_policies(text).has_value());
  }
}

TEST_CASE("a full bucket lets its quota pass at once and then one per interval") {
  const limit::policy p = policy_of(4, 2s);
  limit::arrival a;
  for (std::int64_t left = 3; left >= 0; --left) {
    const limit::verdict v = a.take(p, at(0ns));
    CHECK(v.allowed);
    CHECK(v.remaining == left);
    CHECK(v.full_in == (4 - left) * 500ms);
  }
  const limit::verdict refused = a.take(p, at(1ns));
  CHECK(!refused.allowed);
  CHECK(refused.remaining == 0);
  CHECK(refused.retry_in == 500ms - 1ns);
  CHECK(!a.take(p, at(500ms - 1ns)).allowed);
  CHECK(a.take(p, at(500ms)).allowed);
  CHECK(!a.take(p, at(500ms)).allowed);
  CHECK(a.take(p, at(1h)).remaining == 3);
}

TEST_CASE("a token bucket in doubles agrees with the algorithm over random arrivals") {
  std::mt19937_64 random{20261123};
  for (int round = 0; round < 200; ++round) {
    const limit::policy p = policy_of(std::uniform_int_distribution<std::int64_t>{1, 50}(random),
                                      std::chrono::seconds{std::uniform_int_distribution<int>{1, 20}(random)});
    limit::arrival a;
    double tokens = static_cast<double>(p.quota);
    const double per_second = static_cast<double>(p.quota) / static_cast<double>(p.window.count());
    std::chrono::nanoseconds now{0};
    for (int i = 0; i < 300; ++i) {
      const std::chrono::nanoseconds step{std::uniform_int_distribution<std::int64_t>{0, 400'000'000}(random)};
      now += step;
      tokens =
          std::min(tokens + std::chrono::duration<double>(step).count() * per_second, static_cast<double>(p.quota));
      const limit::verdict v = a.take(p, at(now));
      // Where the model is within rounding of a whole token either answer is right.
      if (std::abs(tokens - 1) > 1e-6) {
        CAPTURE(round, i, tokens);
        REQUIRE(v.allowed == (tokens >= 1));
      }
      tokens -= v.allowed ? 1 : 0;
      if (!v.allowed) {
        REQUIRE(!limit::arrival{a}.take(p, at(now) + v.retry_in - 1ns).allowed);
        REQUIRE(limit::arrival{a}.take(p, at(now) + v.retry_in).allowed);
      }
    }
  }
}

TEST_CASE("addresses are one subject each, IPv6 by its /64, mapped ones as what they are") {
  const auto of = [](const char* text) { return limit::address_subject(text); };
  CHECK(of("10.0.0.1") == of("::ffff:10.0.0.1"));
  CHECK(of("10.0.0.1") != of("10.0.0.2"));
  CHECK(of("2001:db8:1:2::1") == of("2001:db8:1:2:ffff::9"));
  CHECK(of("2001:db8:1:2::1") != of("2001:db8:1:3::1"));
  CHECK(of("0.0.0.4") != of("::4"));
  CHECK(of("x") == of(""));
}

}  // namespace limit_policy_test
