// Named coroutines that run on their own: counted, logged when they fail, and waited for at the end.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "coffer/base/clock.hpp"
#include "coffer/base/exception.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/net/task.hpp"

namespace coffer::net {

/// Owns the coroutines spawned through it. One per thread; all calls on that thread.
class task_group {
 public:
  explicit task_group(executor ex) : executor_{std::move(ex)} {}
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;

  /// Starts `t`. An exception that escapes it is logged under `name` (a literal) and counted as
  /// coffer_task_failures_total.
  void spawn(std::string_view name, task<> t);

  /// Coroutines that have not ended.
  [[nodiscard]] std::size_t size() const { return *running_; }

  /// Waits until all have ended or `until` passes; false then.
  task<bool> join(deadline until);

 private:
  executor executor_;
  std::shared_ptr<std::size_t> running_ = std::make_shared<std::size_t>(0);
};

namespace detail {

inline void report(std::string_view name, const std::exception_ptr& failure) {
  const std::string what = describe(failure);
  metrics::make_counter("coffer_task_failures_total", "Background coroutines that ended with an exception",
                        {{"task", std::string{name}}})
      .add();
  log::error("task failed", {{"task", name}, {"message", std::string_view{what}}});
}

}  // namespace detail

inline void task_group::spawn(std::string_view name, task<> t) {
  ++*running_;
  auto done = [name, running = running_](const std::exception_ptr& failure) {
    --*running;
    if (failure) {
      detail::report(name, failure);
    }
  };
  asio::co_spawn(executor_, std::move(t), std::move(done));
}

inline task<bool> task_group::join(deadline until) {
  using namespace std::chrono_literals;
  while (size() > 0 && std::chrono::steady_clock::now() < until) {
    co_await sleep_for(5ms);
  }
  co_return size() == 0;
}

}  // namespace coffer::net
