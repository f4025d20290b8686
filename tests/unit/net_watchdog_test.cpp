#include "coffer/net/watchdog.hpp"

#include <chrono>
#include <optional>

#include "support/catch.hpp"

namespace net_watchdog_test {

using namespace coffer;
using namespace std::chrono_literals;

TEST_CASE("a watchdog calls back once when its deadline passes") {
  asio::io_context context{1};
  int calls = 0;
  net::watchdog dog{context.get_executor(), [&] { ++calls; }};
  const auto start = std::chrono::steady_clock::now();
  dog.arm(start + 10ms);
  context.run();
  CHECK(calls == 1);
  CHECK(std::chrono::steady_clock::now() - start >= 10ms);
}

TEST_CASE("a deadline that is moved to a later time is kept, one that is moved to an earlier time too") {
  asio::io_context context{1};
  std::optional<std::chrono::steady_clock::time_point> called;
  net::watchdog dog{context.get_executor(), [&] { called = std::chrono::steady_clock::now(); }};
  const auto start = std::chrono::steady_clock::now();
  dog.arm(start + 5ms);
  dog.arm(start + 25ms);
  context.run();
  REQUIRE(called);
  CHECK(*called - start >= 25ms);

  called.reset();
  context.restart();
  dog.arm(std::chrono::steady_clock::now() + 1h);
  dog.arm(std::chrono::steady_clock::now() + 5ms);
  context.run_for(5s);
  CHECK(called);
}

TEST_CASE("a disarmed watchdog keeps still until it is armed again") {
  asio::io_context context{1};
  int calls = 0;
  net::watchdog dog{context.get_executor(), [&] { ++calls; }};
  dog.arm(net::deadline_in(5ms));
  dog.disarm();
  context.run();
  CHECK(calls == 0);
  context.restart();
  dog.arm(net::deadline_in(5ms));
  context.run();
  CHECK(calls == 1);
}

TEST_CASE("a watchdog may be destroyed while armed") {
  asio::io_context context{1};
  int calls = 0;
  {
    net::watchdog dog{context.get_executor(), [&] { ++calls; }};
    dog.arm(net::deadline_in(1ms));
  }
  context.run();
  CHECK(calls == 0);
}

}  // namespace net_watchdog_test
