// The first commands on a connection, and what their replies mean.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "coffer/redis/reply.hpp"
#include "coffer/redis/url.hpp"

namespace coffer::redis {

/// AUTH and SELECT where the address asks for them, then INFO. Pure.
class login {
 public:
  explicit login(const address& where);

  /// The commands, encoded.
  [[nodiscard]] const std::string& request() const noexcept { return request_; }

  /// Takes the next reply. A sentence when the server refuses us.
  std::optional<std::string> take(const reply& answer);

  /// All replies were taken.
  [[nodiscard]] bool complete() const noexcept { return step_ == steps_; }

  /// The server's run_id; empty when it would not tell.
  [[nodiscard]] const std::string& server_run() const noexcept { return server_run_; }

 private:
  std::string request_;
  std::size_t steps_ = 0;
  std::size_t step_ = 0;
  std::string server_run_;
};

}  // namespace coffer::redis
