// What a service manager is told (sd_notify(3), systemd.service(5)): ready, stopping, alive. Without libsystemd.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/app/settings_table.hpp"
#include "coffer/net/task.hpp"

namespace coffer::app {

/// The way to the manager, from the variables NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Does nothing without one.
class service_manager {
 public:
  /// Reads the variables, does not keep them.
  explicit service_manager(const variables& env);

  /// Sends lines such as "READY=1". What cannot be sent is lost: the manager is not there to be waited for.
  void tell(std::string_view lines) const noexcept;

  /// How long the manager waits for a sign of life; nullopt: it does not.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

 private:
  std::string socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

/// Says regularly that every event loop still turns: asks each, and stays silent as long as one has not answered.
class loop_watch {
 public:
  /// `alive` is called every `interval` on the executor `own` after all of `loops` have answered.
  loop_watch(net::executor own, std::vector<net::executor> loops, std::chrono::microseconds interval,
             std::function<void()> alive);

  /// Until stop().
  net::task<> run();
  /// On the thread of `own`.
  void stop();

 private:
  net::steady_timer timer_;
  std::vector<net::executor> loops_;
  std::chrono::microseconds interval_;
  std::function<void()> alive_;
  bool stopping_ = false;
};

}  // namespace coffer::app
