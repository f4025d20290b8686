// The built server as a child process, on ports of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/database.hpp"
#include "support/http_client.hpp"
#include "support/process.hpp"

namespace coffer::test {

/// `coffer serve`. Started and listening when the constructor returns; killed by the destructor. A log that shows a
/// credential fails the test. What it logged last is printed when an exception ends the test.
class server_process {
 public:
  /// Serves `db` with REDIS_URL from the test's environment (if set) and key prefix of its own. `extra` overrides and
  /// adds variables, e.g. {{"COFFER_MAX_BATCH", "1"}}. `starter` is a program, with arguments, that becomes the server,
  /// e.g. {"prlimit", "--nofile=160"}. Throws std::runtime_error with the output when the server ends or does not
  /// listen within 20 s. `db` must outlive it.
  explicit server_process(const database& db, const environment& extra = {}, std::vector<std::string> starter = {});
  /// As above with the whole environment given, for servers without a fixture's database.
  explicit server_process(environment env);
  ~server_process();
  server_process(const server_process&) = delete;
  server_process& operator=(const server_process&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// 0 when there is no admin listener.
  [[nodiscard]] std::uint16_t admin_port() const noexcept { return admin_port_; }
  [[nodiscard]] pid_t pid() const noexcept { return process_->pid(); }
  [[nodiscard]] bool running() const { return process_->running(); }

  /// A new client of the public listener.
  [[nodiscard]] http_client client(std::chrono::milliseconds timeout = std::chrono::seconds{10}) const {
    http_client made{port_, timeout};
    made.speak(link_maker_);
    return made;
  }
  /// Clients of the public listener from now on speak through links of that maker.
  void speak(link_maker maker) { link_maker_ = std::move(maker); }
  /// A new client of the admin listener.
  [[nodiscard]] http_client admin() const { return http_client{admin_port_}; }

  /// The value of one series of /metrics, by its name and labels as printed, e.g. `coffer_requests_total{code="200"}`;
  /// nullopt when it is not there.
  [[nodiscard]] std::optional<double> metric(std::string_view series) const;

  /// Asks for a regular end and waits for it: the exit code, 128 + the signal's number when a signal ended it. Throws
  /// std::runtime_error when it runs on after `limit`.
  int stop(int signal = 15, std::chrono::milliseconds limit = std::chrono::seconds{30});
  /// Sends a signal and does not wait.
  void signal(int number) const { process_->signal(number); }
  /// kill -9, and waits until it is gone.
  void kill();
  /// Starts it again after stop() or kill(): on the same ports, so that clients find it.
  void restart();
  /// Changes the environment of the next restart().
  void set(const std::string& name, const std::string& value) { env_[name] = value; }

  /// Log lines (stdout) and stderr since the last start.
  [[nodiscard]] std::string log() const { return process_->out() + process_->err(); }
  /// The first log line of that event (that has `part` in it), waiting for it; nullopt when it does not come.
  std::optional<json_value> wait_for_event(const std::string& event,
                                           std::chrono::milliseconds limit = std::chrono::seconds{10},
                                           const std::string& part = {});

 private:
  void start();
  void check_log() const;

  environment env_;
  std::vector<std::string> starter_;
  std::unique_ptr<process> process_;
  std::uint16_t port_ = 0;
  std::uint16_t admin_port_ = 0;
  link_maker link_maker_;
};

}  // namespace coffer::test
