#include "coffer/limit/limiter.hpp"

#include <thread>

#include "support/catch.hpp"

namespace limit_limiter_test {

using namespace coffer;
using namespace std::chrono_literals;
using limit::dimension;
using limit::route_class;

namespace {

limit::limiter_options options_of(const char* purchase, bool shared = false) {
  limit::limiter_options how;
  how.by_class[static_cast<std::size_t>(route_class::purchase)] = limit::parse_policies(purchase).value();
  how.shared = shared;
  how.seed = 42;
  return how;
}

limit::bucket_id user(std::uint64_t id) {
  return {.what = route_class::purchase, .by = dimension::user, .of = {.high = 0, .low = id}};
}

limit::clock::time_point at(std::chrono::nanoseconds since_start) {
  return limit::clock::time_point{24h} + since_start;
}

std::int64_t allowed_of(limit::limiter& l, const limit::bucket_id& b, int tries, limit::clock::time_point now) {
  std::int64_t allowed = 0;
  for (int i = 0; i < tries; ++i) {
    allowed += l.take(b, now).allowed ? 1 : 0;
  }
  return allowed;
}

limit::allowance left(std::int64_t leased, std::chrono::nanoseconds wait_in = 0ns) {
  limit::allowance g;
  g.leased = leased;
  g.wait_in = wait_in;
  return g;
}

}  // namespace

TEST_CASE("every user has a bucket of their own") {
  limit::limiter l{options_of("user:3/1s")};
  CHECK(allowed_of(l, user(1), 10, at(0s)) == 3);
  CHECK(allowed_of(l, user(2), 10, at(0s)) == 3);
  CHECK(allowed_of(l, user(1), 10, at(1s)) == 3);
  CHECK(l.limits(route_class::purchase));
  CHECK(!l.limits(route_class::use));
}

TEST_CASE("several requests are taken all at once or not at all") {
  limit::limiter l{options_of("user:10/1s")};
  CHECK(l.take(user(1), at(0s), 6).remaining == 4);
  for (int i = 0; i < 3; ++i) {
    const limit::verdict refused = l.take(user(1), at(0s), 6);
    CHECK(!refused.allowed);
    CHECK(refused.remaining == 4);
    CHECK(refused.retry_in == 200ms);
  }
  CHECK(l.take(user(1), at(200ms), 6).allowed);
  CHECK(l.take(user(1), at(1200ms), 10).allowed);
}

TEST_CASE("what is given back was never taken") {
  limit::limiter l{options_of("user:10/1s")};
  for (int i = 0; i < 100; ++i) {
    CHECK(l.take(user(1), at(0s), 7).allowed);
    l.give_back(user(1), 7);
  }
  CHECK(allowed_of(l, user(1), 20, at(0s)) == 10);
  l.give_back(user(2));  // of which nothing is known
  CHECK(allowed_of(l, user(2), 20, at(0s)) == 10);
}

TEST_CASE("threads that take several and give some back get the quota and not one more") {
  limit::limiter l{options_of("user:1000/1d", true)};
  std::atomic<int> kept = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          if (!l.take(user(7), at(0s), 7).allowed) {
            continue;
          }
          if (i % 4 == 0) {
            kept += 7;
          } else {
            l.give_back(user(7), 7);
          }
        }
      });
    }
  }
  CHECK(kept <= 1000);
  CHECK(kept + allowed_of(l, user(7), 2000, at(0s)) == 1000);
}

TEST_CASE("threads together get the quota and not one more") {
  limit::limiter l{options_of("user:1000/1d")};
  std::atomic<int> allowed = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          allowed += l.take(user(7), at(0s)).allowed ? 1 : 0;
        }
      });
    }
  }
  CHECK(allowed == 1000);
}

TEST_CASE("however many users come, the memory stays, and those who owe most are remembered") {
  limit::limiter_options how = options_of("user:2/1d");
  how.capacity = 2048;
  limit::limiter l{how};
  // These owe twice what the crowd owes.
  for (std::uint64_t id = 1; id <= 100; ++id) {
    CHECK(allowed_of(l, user(id), 3, at(0s)) == 2);
  }
  for (std::uint64_t id = 1000; id < 101000; ++id) {
    l.take(user(id), at(0s));
  }
  std::int64_t forgotten = 0;
  for (std::uint64_t id = 1; id <= 100; ++id) {
    forgotten += l.take(user(id), at(1s)).allowed ? 1 : 0;
  }
  CHECK(forgotten == 0);
}

TEST_CASE("a limiter that shares tells what goes beyond its share, once, and wakes whoever tells it") {
  int woken = 0;
  limit::limiter l{options_of("user:16/1s", true), [&] { ++woken; }};
  CHECK(allowed_of(l, user(1), 2, at(0s)) == 2);  // an eighth of the quota
  CHECK(allowed_of(l, user(2), 2, at(0s)) == 2);
  CHECK(woken == 0);
  CHECK(l.due(10, at(0s)).empty());
  CHECK(allowed_of(l, user(1), 3, at(0s)) == 3);
  CHECK(allowed_of(l, user(2), 1, at(0s)) == 1);
  CHECK(woken == 1);
  const auto due = l.due(10, at(0s));
  REQUIRE(due.size() == 2);
  CHECK(due[0].bucket == user(1));
  CHECK(due[0].owed == 5);
  CHECK(due[0].wanted == 2);
  CHECK(due[1].owed == 3);
  CHECK(l.due(10, at(0s)).empty());
  const limit::allowance g = left(2);
  l.settle(due[0], g, at(0s));
  CHECK(allowed_of(l, user(1), 2, at(0s)) == 2);
  CHECK(l.due(10, at(0s)).empty());
  CHECK(allowed_of(l, user(1), 1, at(0s)) == 1);
  CHECK(woken == 2);
  const auto next = l.due(10, at(0s));
  REQUIRE(next.size() == 1);
  CHECK(next[0].owed == 1);  // two of the three were leased
}

TEST_CASE("reports that came to nothing do not hide those behind them") {
  limit::limiter l{options_of("user:7/1s", true)};
  allowed_of(l, user(1), 1, at(0s));
  allowed_of(l, user(2), 1, at(0s));
  // Full again, and nothing was allowed since: there is nothing to tell of the first.
  l.settle(l.due(1, at(0s)).at(0), limit::unanswered::not_sent, at(0s));
  CHECK(l.has_due());
  CHECK(l.due(1, at(0s)).at(0).bucket == user(2));
  CHECK(!l.has_due());
}

TEST_CASE("with a small quota every request is told") {
  limit::limiter l{options_of("user:7/1s", true)};
  allowed_of(l, user(1), 1, at(0s));
  CHECK(l.due(10, at(0s)).size() == 1);
}

TEST_CASE("a bucket that was quiet for a whole window owes nothing and holds no lease") {
  limit::limiter l{options_of("user:80/1s", true)};
  allowed_of(l, user(1), 20, at(0s));
  const limit::allowance g = left(10);
  l.settle(l.due(1, at(0s)).at(0), g, at(0s));
  allowed_of(l, user(1), 11, at(2s));
  const auto due = l.due(1, at(2s));
  REQUIRE(due.size() == 1);
  CHECK(due[0].owed == 11);
}

TEST_CASE("when the others have used everything only what is leased passes, until there is more") {
  limit::limiter l{options_of("user:100/1s", true)};
  allowed_of(l, user(1), 20, at(0s));
  const limit::allowance g = left(3, 500ms);
  l.settle(l.due(1, at(0s)).at(0), g, at(0s));
  CHECK(allowed_of(l, user(1), 10, at(1ms)) == 3);
  const limit::verdict refused = l.take(user(1), at(1ms));
  CHECK(!refused.allowed);
  CHECK(refused.retry_in == 499ms);
  CHECK(l.take(user(1), at(500ms)).allowed);
}

TEST_CASE("without an answer the process limits by its own count and owes the rest") {
  limit::limiter l{options_of("user:10/1s", true)};
  CHECK(allowed_of(l, user(1), 100, at(0s)) == 10);
  const auto due = l.due(1, at(0s));
  l.settle(due.at(0), limit::unanswered::not_sent, at(0s));
  CHECK(allowed_of(l, user(1), 100, at(0s)) == 0);
  CHECK(allowed_of(l, user(1), 100, at(500ms)) == 5);
  const auto again = l.due(1, at(500ms));
  REQUIRE(again.size() == 1);
  CHECK(again[0].owed == 10);  // at most the quota, however long nobody listened
}

TEST_CASE("what is used while a report travels is due again") {
  limit::limiter l{options_of("user:100/1s", true)};
  allowed_of(l, user(1), 13, at(0s));
  const auto first = l.due(1, at(0s));
  allowed_of(l, user(1), 2, at(0s));
  const limit::allowance g = left(0);
  l.settle(first.at(0), g, at(0s));
  const auto second = l.due(1, at(0s));
  REQUIRE(second.size() == 1);
  CHECK(second[0].owed == 2);
}

TEST_CASE("what is used at the pace of the quota is told, although the bucket is always full here") {
  limit::limiter l{options_of("user:80/1s", true)};
  std::int64_t told = 0;
  for (int i = 0; i < 200; ++i) {
    const auto now = at(i * 12500us);
    CHECK(l.take(user(1), now).allowed);
    for (const limit::report& s : l.due(1, now)) {
      told += s.owed;
      const limit::allowance g = left(s.wanted);
      told += g.leased;
      l.settle(s, g, now);
    }
  }
  // All of it but what every process may use untold, and the lease that runs.
  CHECK(told >= 180);
  CHECK(told <= 210);
}

TEST_CASE("that a bucket is full again here alone gives back no lease and no share") {
  limit::limiter l{options_of("user:80/1s", true)};
  allowed_of(l, user(1), 20, at(0s));
  const limit::allowance g = left(10);
  l.settle(l.due(1, at(0s)).at(0), g, at(0s));
  allowed_of(l, user(1), 10, at(900ms));  // the lease
  CHECK(l.due(1, at(900ms)).empty());
  allowed_of(l, user(1), 1, at(1800ms));
  const auto due = l.due(1, at(1800ms));
  REQUIRE(due.size() == 1);
  CHECK(due[0].owed == 1);
  CHECK(due[0].full_in == 12500us);
}

TEST_CASE("after a time without an answer no more is told than is owed here") {
  limit::limiter l{options_of("user:80/1s", true)};
  // A minute at half the pace: nothing of it is of interest any more.
  for (int i = 0; i < 2400; ++i) {
    const auto now = at(i * 25ms);
    CHECK(l.take(user(1), now).allowed);
    for (const limit::report& s : l.due(1, now)) {
      CHECK(s.owed <= 1);
      l.settle(s, limit::unanswered::not_sent, now);
    }
  }
}

TEST_CASE("what may have been told although nobody answered is never told again") {
  limit::limiter l{options_of("user:80/1s", true)};
  allowed_of(l, user(1), 20, at(0s));
  const auto first = l.due(1, at(0s));
  REQUIRE(first.size() == 1);
  CHECK(first[0].owed == 20);
  allowed_of(l, user(1), 3, at(0s));
  l.settle(first[0], limit::unanswered::uncertain, at(0s));
  // The lease that was asked for may be charged, so it is used first.
  allowed_of(l, user(1), 7, at(0s));
  CHECK(l.due(1, at(0s)).empty());
  std::int64_t told = 0;
  for (int i = 0; i < 22; ++i) {
    CHECK(l.take(user(1), at(0s)).allowed);
    for (const limit::report& s : l.due(1, at(0s))) {
      told += s.owed;
      l.settle(s, limit::unanswered::uncertain, at(0s));
    }
  }
  CHECK(told == 2);  // the first beyond each lease
}

TEST_CASE("what certainly nobody heard is told with the next use") {
  limit::limiter l{options_of("user:80/1s", true)};
  std::int64_t owed = 0;
  for (int i = 1; i <= 30; ++i) {
    CHECK(l.take(user(1), at(0s)).allowed);
    for (const limit::report& s : l.due(1, at(0s))) {
      owed = s.owed;
      CHECK(owed == i);
      l.settle(s, limit::unanswered::not_sent, at(0s));
    }
  }
  CHECK(owed == 30);
}

TEST_CASE("what is given back is not told, and what was told already is used by the next who come") {
  limit::limiter l{options_of("user:80/1s", true)};
  CHECK(l.take(user(1), at(0s), 30).allowed);
  l.give_back(user(1), 30);
  CHECK(l.due(1, at(0s)).empty());
  CHECK(l.take(user(1), at(0s), 30).allowed);
  const auto first = l.due(1, at(0s));
  REQUIRE(first.size() == 1);
  CHECK(first[0].owed == 30);
  l.give_back(user(1), 5);  // while the report travels
  l.settle(first[0], left(10), at(0s));
  l.give_back(user(1), 5);  // and after it
  CHECK(allowed_of(l, user(1), 20, at(0s)) == 20);
  CHECK(l.due(1, at(0s)).empty());
  CHECK(l.take(user(1), at(0s)).allowed);
  CHECK(l.due(1, at(0s)).at(0).owed == 1);
}

TEST_CASE("of a lease several pass together or none, and the wait is for all of them") {
  limit::limiter l{options_of("user:100/1s", true)};
  allowed_of(l, user(1), 20, at(0s));
  l.settle(l.due(1, at(0s)).at(0), left(5, 100ms), at(0s));
  const limit::verdict refused = l.take(user(1), at(1ms), 6);
  CHECK(!refused.allowed);
  CHECK(refused.remaining == 5);
  CHECK(refused.retry_in == 99ms);
  CHECK(l.take(user(1), at(1ms), 100).retry_in == 199ms);  // by its own count
  CHECK(l.take(user(1), at(1ms), 5).allowed);
}

}  // namespace limit_limiter_test
