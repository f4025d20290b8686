// Named coroutines that run on their own: counted, logged when they fail, and waited for at the end.
#pragma once

#include <memory>
#include <string_view>

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

}  // namespace coffer::net
