#include "coffer/redis/login.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "coffer/redis/encode.hpp"

namespace coffer::redis {

namespace {

/// The value of a line of INFO; `name` has its colon. Empty unless it is a plain word.
std::string find_in_info(std::string_view info, std::string_view name) {
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
std::string explain(const reply& refusal) {
  const std::string_view code = refusal.error_code();
  const std::string_view text = refusal.text;
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

}  // namespace

login::login(const address& where) {
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

std::optional<std::string> login::take(const reply& answer) {
  ++step_;
  if (!complete()) {
    return answer.is_ok() ? std::nullopt : std::optional{explain(answer)};
  }
  if (answer.is_string()) {
    server_run_ = find_in_info(answer.text, "run_id:");
    const std::string mode = find_in_info(answer.text, "redis_mode:");
    if (mode == "cluster") {
      return std::string{cluster_refusal};
    }
    if (mode == "sentinel") {
      return "it is a Sentinel, which holds no data: name the Redis that it watches";
    }
  }
  // Being forbidden to use INFO is no obstacle; not being logged in is.
  const bool refused = answer.error_code() == "NOAUTH" || answer.text.starts_with("ERR max number of clients");
  return refused ? std::optional{explain(answer)} : std::nullopt;
}

}  // namespace coffer::redis
