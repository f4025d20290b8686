// The first commands on a connection, and what their replies mean.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "coffer/redis/encode.hpp"
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
  explicit login(const server_url& where);

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

namespace detail {

/// The value of a line of INFO; `name` has its colon. Empty unless it is a plain word.
inline std::string find_in_info(std::string_view info, std::string_view name) {
  const std::size_t at = info.find(name);
  if (at == std::string_view::npos) {
    return {};
  }
  const std::string_view rest = info.substr(at + name.size());
  const std::string_view value = rest.substr(0, rest.find_first_of("\r\n"));
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  return plain && value.size() <= 64 ? std::string{value} : std::string{};
}

/// What an operator is told of a refusal.
inline std::string explain(const reply& said) {
  const std::string_view code = said.error_code();
  const std::string_view text = said.text;
  if (code == "WRONGPASS" || text.starts_with("ERR invalid password")) {
    return fmt::format("the user or the password is wrong ({})", text);
  }
  if (code == "NOAUTH") {
    return fmt::format("it asks for a password, and the URL has none ({})", text);
  }
  if (text.find("AUTH") != std::string_view::npos && text.find("without any password") != std::string_view::npos) {
    return fmt::format("it has no password, and the URL gives one ({})", text);
  }
  return std::string{text};
}

}  // namespace detail

inline login::login(const server_url& where) {
  const auto add = [this](std::vector<std::string_view> arguments) {
    append_command(request_, arguments);
    ++steps_;
  };
  if (!where.user.empty()) {
    add({"AUTH", where.user, where.password});
  } else if (!where.password.empty()) {
    add({"AUTH", where.password});
  }
  if (where.database != 0) {
    add({"SELECT", std::to_string(where.database)});
  }
  add({"INFO", "server"});
}

inline std::optional<std::string> login::take(const reply& answer) {
  ++step_;
  if (!complete()) {
    return answer.is_ok() ? std::nullopt : std::optional{detail::explain(answer)};
  }
  if (answer.is_string()) {
    server_run_ = detail::find_in_info(answer.text, "run_id:");
    const std::string mode = detail::find_in_info(answer.text, "redis_mode:");
    if (mode == "cluster") {
      return std::string{cluster_refusal};
    }
    if (mode == "sentinel") {
      return "it is a Sentinel, which holds no data: name the Redis that it watches";
    }
  }
  // Being forbidden to use INFO is no obstacle; not being logged in is.
  const bool refused = answer.error_code() == "NOAUTH" || answer.text.starts_with("ERR max number of clients");
  return refused ? std::optional{detail::explain(answer)} : std::nullopt;
}

}  // namespace coffer::redis
