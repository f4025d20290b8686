// A Redis of a test's own, to be stopped, stalled and misconfigured, and the shared one that REDIS_URL names.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/redis/client.hpp"
#include "support/process.hpp"

namespace coffer::test {

/// REDIS_URL; throws with a sentence that says what to do when it is not set.
std::string redis_url();

/// Options with deadlines that a busy machine meets, for tests of something else than deadlines.
redis::options patient(const std::string& url);

/// A key prefix that no other test, and no other run, uses.
std::string unique_prefix();

/// A blocking session over hiredis' own connection, so that tests look at Redis without the code under test.
class redis_session {
 public:
  /// Throws std::runtime_error when nobody answers at the socket.
  explicit redis_session(const std::string& socket_path);

  /// Throws std::runtime_error when the connection breaks; an error of Redis is a reply.
  redis::reply command(const std::vector<std::string>& arguments);

 private:
  struct closer {
    void operator()(void* connection) const noexcept;
  };
  std::unique_ptr<void, closer> connection_;
};

/// A redis-server, found in PATH, that listens on a unix socket in a directory of its own. Killed, and its directory
/// removed, by the destructor.
class redis_server {
 public:
  /// Starts it, with further arguments ({"--requirepass", "secret"}), and waits until it listens.
  explicit redis_server(std::vector<std::string> arguments = {});
  ~redis_server();
  redis_server(const redis_server&) = delete;
  redis_server& operator=(const redis_server&) = delete;

  [[nodiscard]] std::string url() const { return "unix://" + socket_; }
  [[nodiscard]] const std::string& socket() const noexcept { return socket_; }

  /// As kill -9, and starting it again in the same place; a dump that SAVE wrote is loaded.
  void kill();
  void start();
  /// It neither reads nor answers until resume().
  void stall() const { process_->signal(SIGSTOP); }
  void resume() const { process_->signal(SIGCONT); }

  /// A command as an administrator, on a session that is made at the first call.
  redis::reply command(const std::vector<std::string>& arguments);
  /// Cuts all connections but the administrator's.
  void cut_connections() { command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}); }

 private:
  std::string directory_;
  std::string socket_;
  std::vector<std::string> arguments_;
  std::unique_ptr<process> process_;
  std::unique_ptr<redis_session> admin_;
};

/// A TCP port of 127.0.0.1 that was free a moment ago.
std::uint16_t free_port();

}  // namespace coffer::test
