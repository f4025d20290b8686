#include "coffer/redis/login.hpp"

#include <algorithm>
#include <vector>

#include "coffer/redis/encode.hpp"

namespace coffer::redis {

namespace {

/// The value of "run_id:" among the lines of INFO; empty unless it is a plain word.
std::string find_run_id(std::string_view info) {
  constexpr std::string_view name = "run_id:";
  const std::size_t at = info.find(name);
  if (at == std::string_view::npos) {
    return {};
  }
  const std::string_view rest = info.substr(at + name.size());
  const std::string_view value = rest.substr(0, rest.find_first_of("\r\n"));
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  return plain && value.size() <= 64 ? std::string{value} : std::string{};
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
    return answer.is_ok() ? std::nullopt : std::optional{answer.text};
  }
  if (answer.is_string()) {
    server_run_ = find_run_id(answer.text);
  }
  // Being forbidden to use INFO is no obstacle; not being logged in is.
  const bool refused = answer.error_code() == "NOAUTH" || answer.text.starts_with("ERR max number of clients");
  return refused ? std::optional{answer.text} : std::nullopt;
}

}  // namespace coffer::redis
