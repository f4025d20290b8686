// Limits shared by processes through a real Redis. Each limiter with its exchange and client stands for a process.
#include "coffer/limit/exchange.hpp"

#include <ctime>
#include <memory>

#include <fmt/format.h>

#include "coffer/net/task_group.hpp"
#include "support/catch.hpp"
#include "support/fault_proxy.hpp"
#include "support/redis_server.hpp"
#include "support/run_task.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using limit::dimension;
using limit::route_class;

namespace {

limit::bucket_id user(std::uint64_t id) {
  return {.what = route_class::purchase, .by = dimension::user, .of = {.high = 0, .low = id}};
}

limit::limiter_options options_of(const char* purchase) {
  limit::limiter_options how;
  how.by_class[static_cast<std::size_t>(route_class::purchase)] = limit::parse_policies(purchase).value();
  how.shared = true;
  return how;
}

class member {
 public:
  member(asio::io_context& context, const std::string& url, const std::string& prefix, const char* policy)
      : member{context, test::patient(url), prefix, policy} {}
  member(asio::io_context& context, const redis::options& how, const std::string& prefix, const char* policy)
      : limiter{options_of(policy), [this] { exchange.wake(); }},
        redis{context.get_executor(), how},
        exchange{context.get_executor(), redis, limiter, prefix},
        tasks{context.get_executor()} {
    tasks.spawn("exchange", exchange.run());
  }

  int allowed(std::uint64_t id, int tries) {
    int passed = 0;
    for (int i = 0; i < tries; ++i) {
      passed += limiter.take(user(id), limit::clock::now()).allowed ? 1 : 0;
    }
    return passed;
  }

  limit::limiter limiter;
  redis::client redis;
  limit::exchange exchange;
  net::task_group tasks;
};

/// Lets the processes talk for a while.
void talk(asio::io_context& context, std::chrono::milliseconds time = 100ms) {
  test::run_task(context, net::sleep_for(time));
}

}  // namespace

TEST_CASE("what one process has used up the other refuses", "[redis]") {
  asio::io_context context{1};
  const test::redis_server cache;
  const std::string prefix = test::unique_prefix();
  member a{context, cache.url(), prefix, "user:100/1d"};
  member b{context, cache.url(), prefix, "user:100/1d"};
  CHECK(a.allowed(1, 70) == 70);
  talk(context);
  // The first requests pass while nobody has been asked; they count all the same.
  CHECK(b.allowed(1, 1) == 1);
  talk(context);
  const int rest = b.allowed(1, 1000);
  talk(context);
  CHECK(rest <= 99);  // by its own count
  // a does not know yet: its lease passes, and one more until it has asked.
  CHECK(a.allowed(1, 13) == 13);
  talk(context);
  CHECK(a.allowed(1, 1000) + b.allowed(1, 1000) == 0);
  CHECK(b.allowed(2, 1) == 1);
  a.exchange.stop();
  b.exchange.stop();
  talk(context, 20ms);
}

TEST_CASE("many more buckets than one command carries are all told", "[redis]") {
  asio::io_context context{1};
  const test::redis_server cache;
  const std::string prefix = test::unique_prefix();
  member a{context, cache.url(), prefix, "user:2/1d"};
  member b{context, cache.url(), prefix, "user:2/1d"};
  constexpr std::uint64_t users = 3000;
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t id = 1; id <= users; ++id) {
      a.allowed(id, 1);
    }
    talk(context, 300ms);
  }
  int passed = 0;
  for (std::uint64_t id = 1; id <= users; ++id) {
    passed += b.allowed(id, 1);  // nobody has asked yet
  }
  talk(context, 300ms);
  CHECK(passed == static_cast<int>(users));
  passed = 0;
  for (std::uint64_t id = 1; id <= users; ++id) {
    passed += b.allowed(id, 1);
  }
  CHECK(passed == 0);
  a.exchange.stop();
  b.exchange.stop();
  talk(context, 20ms);
}

TEST_CASE("two processes that take turns get the quota together", "[redis]") {
  asio::io_context context{1};
  const test::redis_server cache;
  const std::string prefix = test::unique_prefix();
  member a{context, cache.url(), prefix, "user:200/1d"};
  member b{context, cache.url(), prefix, "user:200/1d"};
  int passed = 0;
  for (int i = 0; i < 40; ++i) {
    passed += a.allowed(9, 5) + b.allowed(9, 5);
    talk(context, 30ms);
  }
  CHECK(passed >= 200);
  // One round of five in each process may be on its way while the other does not know.
  CHECK(passed <= 210);
  a.exchange.stop();
  b.exchange.stop();
  talk(context, 20ms);
}

TEST_CASE("two processes at the pace of the quota get it together, although each bucket is always full", "[redis]") {
  asio::io_context context{1};
  const test::redis_server cache;
  const std::string prefix = test::unique_prefix();
  member a{context, cache.url(), prefix, "user:40/1s"};
  member b{context, cache.url(), prefix, "user:40/1s"};
  const auto began = limit::clock::now();
  int tries = 0;
  int passed = 0;
  while (limit::clock::now() - began < 6s) {
    // In step with the clock, however late a turn comes.
    for (; began + tries * 25ms <= limit::clock::now(); ++tries) {
      passed += a.allowed(1, 1) + b.allowed(1, 1);
    }
    talk(context, 5ms);
  }
  const double seconds = std::chrono::duration<double>{limit::clock::now() - began}.count();
  const double quota = 40 + 40 * seconds;
  CAPTURE(tries, passed, quota);
  CHECK(passed >= quota * 0.9);
  CHECK(passed <= quota * 1.1);
  CHECK(passed <= 1.4 * tries);
  a.exchange.stop();
  b.exchange.stop();
  talk(context, 20ms);
}

TEST_CASE("one process alone gets exactly its quota, with Redis and without", "[redis]") {
  asio::io_context context{1};
  test::redis_server cache;
  const std::string prefix = test::unique_prefix();
  member a{context, cache.url(), prefix, "user:50/1d"};
  int with_redis = 0;
  for (int i = 0; i < 20; ++i) {
    with_redis += a.allowed(1, 4);
    talk(context, 25ms);
  }
  CHECK(with_redis == 50);
  cache.kill();
  int without_redis = 0;
  for (int i = 0; i < 20; ++i) {
    without_redis += a.allowed(2, 4);
    talk(context, 25ms);
  }
  CHECK(without_redis == 50);
  a.exchange.stop();
  talk(context, 20ms);
}

TEST_CASE("reports whose answers come too late are charged once", "[redis]") {
  asio::io_context context{1};
  test::redis_server cache;
  test::fault_proxy proxy{cache.socket(), 0, test::fault_proxy::protocol::raw};
  const std::string prefix = test::unique_prefix();
  const std::string key = prefix + "limit:purchase:user:0:1";
  redis::options how{fmt::format("redis://127.0.0.1:{}", proxy.port())};
  how.command_timeout = 100ms;
  how.breaker_failures = 1000;
  member a{context, how, prefix, "user:800/1d"};
  talk(context, 300ms);
  // Redis hears the first report and is not heard; it hears the others when all is over.
  proxy.inject_after_server_bytes(1, test::fault_action::stall);
  int used = a.allowed(1, 200);
  talk(context, 300ms);
  CHECK(proxy.injected() == 1);
  for (int i = 0; i < 5; ++i) {
    used += a.allowed(1, 1);
    talk(context, 150ms);
  }
  proxy.heal();
  talk(context, 300ms);
  used += a.allowed(1, 150);
  talk(context, 300ms);
  const double interval = 86400e6 / 800;
  const double at = std::stod(cache.command({"GET", key}).text);
  const double now = 1e6 * static_cast<double>(std::time(nullptr));
  const double charged = (at - now) / interval;
  CAPTURE(used, charged);
  CHECK(used == 355);
  CHECK(charged >= used - 1);
  CHECK(charged <= used + 101);  // a lease
  a.exchange.stop();
  talk(context, 20ms);
}

TEST_CASE("garbage in Redis neither opens a limit nor closes it for long", "[redis]") {
  asio::io_context context{1};
  test::redis_server cache;
  const std::string prefix = test::unique_prefix();
  const std::string key = prefix + "limit:purchase:user:0:1";
  for (const std::vector<std::string>& garbage : {std::vector<std::string>{"SET", key, "x"},
                                                  {"SET", key, "99999999999999999999"},
                                                  {"SET", key, "-1"},
                                                  {"SET", key, "nan"},
                                                  {"DEL", key},
                                                  {"LPUSH", key, "1"}}) {
    CAPTURE(garbage);
    cache.command({"DEL", key});
    cache.command(garbage);
    member a{context, cache.url(), prefix, "user:10/1s"};
    CHECK(a.allowed(1, 100) == 10);
    talk(context, 50ms);
    CHECK(a.allowed(1, 100) <= 1);
    // Debts end at two windows.
    talk(context, 2200ms);
    CHECK(a.allowed(1, 1) == 1);
    a.exchange.stop();
    talk(context, 20ms);
  }
}
