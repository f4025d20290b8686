// What jobs have in common: something that is done again and again until the process ends.
#pragma once

#include <chrono>

#include "coffer/net/task.hpp"

namespace coffer::app {

/// Rounds of one job, with a pause between them. All calls on one thread.
class rounds {
 public:
  rounds(const net::executor& ex, std::chrono::milliseconds pause) : timer_{ex}, pause_{pause} {}

  /// Awaits the task that `work` gives, at once and after every pause, until stop().
  template <typename Work>
  net::task<> run(Work work) {
    while (!stopping_) {
      co_await work();
      if (!stopping_) {
        timer_.expires_after(pause_);
        co_await timer_.async_wait(net::as_tuple);
      }
    }
  }

  /// Ends the pause, and lets run() end after the round that is under way.
  void stop() {
    stopping_ = true;
    timer_.cancel();
  }

  [[nodiscard]] bool stopping() const noexcept { return stopping_; }

 private:
  net::steady_timer timer_;
  std::chrono::milliseconds pause_;
  bool stopping_ = false;
};

}  // namespace coffer::app
