// The first commands on a connection, and what their replies mean.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "coffer/redis/reply.hpp"
#include "coffer/redis/url.hpp"

namespace coffer::redis {

/// Why a node of a cluster is of no use: a script or MGET there may only name keys of one slot.
inline constexpr std::string_view cluster_refusal =
    "it is a node of a Redis Cluster, where keys that are read together lie on different nodes: name a Redis without "
    "cluster mode";

/// AUTH and SELECT where the address asks for them, then INFO. Pure.
class login {
 public:
  explicit login(const address& where);

  /// The commands, encoded.
  [[nodiscard]] const std::string& request() const noexcept { return request_; }

  /// Takes the next reply. A sentence when the server refuses us, or is none that can be used.
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
