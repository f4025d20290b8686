#include "coffer/net/task_group.hpp"

#include <chrono>
#include <stdexcept>

#include "coffer/base/metrics.hpp"
#include "support/catch.hpp"
#include "support/run_task.hpp"

namespace net_task_group_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

net::task<> sleep_and_count(std::chrono::milliseconds time, int* count) {
  co_await net::sleep_for(time);
  ++*count;
}

net::task<> fail() {
  co_await net::sleep_for(1ms);
  throw std::runtime_error("on purpose");
}

}  // namespace

TEST_CASE("a task group waits for all of its tasks") {
  asio::io_context context{1};
  net::task_group group{context.get_executor()};
  int count = 0;
  group.spawn("test", sleep_and_count(5ms, &count));
  group.spawn("test", sleep_and_count(15ms, &count));
  CHECK(group.size() == 2);
  CHECK(test::run_task(context, group.join(net::deadline_in(5s))));
  CHECK(count == 2);
  CHECK(group.size() == 0);
}

TEST_CASE("a task group stops waiting at the deadline") {
  asio::io_context context{1};
  net::task_group group{context.get_executor()};
  int count = 0;
  group.spawn("test", sleep_and_count(80ms, &count));
  CHECK_FALSE(test::run_task(context, group.join(net::deadline_in(10ms))));
  CHECK(group.size() == 1);
  context.restart();
  context.run();
  CHECK(count == 1);
}

TEST_CASE("a task that fails is counted and ends only itself") {
  asio::io_context context{1};
  net::task_group group{context.get_executor()};
  const auto failures = metrics::make_counter(
      "coffer_task_failures_total", "Background coroutines that ended with an exception", {{"task", "failing test"}});
  const double before = failures.value();
  int count = 0;
  group.spawn("failing test", fail());
  group.spawn("test", sleep_and_count(10ms, &count));
  CHECK(test::run_task(context, group.join(net::deadline_in(5s))));
  CHECK(count == 1);
  CHECK(failures.value() == before + 1);
}

}  // namespace net_task_group_test
