#include "coffer/net/task_group.hpp"

#include <string>

#include "coffer/base/exception.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"

namespace coffer::net {

namespace {

void report(std::string_view name, const std::exception_ptr& failure) {
  const std::string what = describe(failure);
  metrics::make_counter("coffer_task_failures_total", "Background coroutines that ended with an exception",
                        {{"task", std::string{name}}})
      .add();
  log::error("task failed", {{"task", name}, {"message", std::string_view{what}}});
}

}  // namespace

void task_group::spawn(std::string_view name, task<> t) {
  ++*running_;
  auto done = [name, running = running_](const std::exception_ptr& failure) {
    --*running;
    if (failure) {
      report(name, failure);
    }
  };
  asio::co_spawn(executor_, std::move(t), std::move(done));
}

task<bool> task_group::join(deadline until) {
  using namespace std::chrono_literals;
  while (size() > 0 && std::chrono::steady_clock::now() < until) {
    co_await sleep_for(5ms);
  }
  co_return size() == 0;
}

}  // namespace coffer::net
