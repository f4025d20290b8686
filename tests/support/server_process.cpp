#include "support/server_process.hpp"

#include <cstdlib>
#include <exception>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/exchange_log.hpp"

namespace coffer::test {

namespace {

environment environment_for(const database& db, const environment& extra) {
  environment env{{"DATABASE_URL", db.url()},
                  {"COFFER_REDIS_PREFIX", db.name() + ":"},
                  {"COFFER_LISTEN", "127.0.0.1:0"},
                  {"COFFER_ADMIN_LISTEN", "127.0.0.1:0"},
                  {"COFFER_LOG_FORMAT", "json"},
                  {"COFFER_LOG_LEVEL", "debug"},  // where a failure of the database is told
                  // What tests that write requests by hand have in Host.
                  {"COFFER_ALLOWED_HOSTS", "h"}};
  if (const char* redis = std::getenv("REDIS_URL"); redis != nullptr && *redis != '\0') {
    env["REDIS_URL"] = redis;
  }
  if (const char* threads = std::getenv("COFFER_TEST_THREADS"); threads != nullptr && *threads != '\0') {
    env["COFFER_THREADS"] = threads;
  }
  for (const auto& [name, value] : extra) {
    env[name] = value;
  }
  return env;
}

std::uint16_t port_of(const json_value& line, const char* member) {
  if (!line.contains(member) || line[member].is_null() || line[member] == "") {
    return 0;
  }
  const std::string& address = line[member].text();
  return static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
}

}  // namespace

server_process::server_process(const database& db, const environment& extra, std::vector<std::string> starter)
    : env_{environment_for(db, extra)}, starter_{std::move(starter)} {
  start();
}

server_process::server_process(environment env) : env_{std::move(env)} { start(); }

server_process::~server_process() {
  check_log();
  // A case that ends by an exception, which a failed REQUIRE is.
  if (process_ && std::uncaught_exceptions() > 0) {
    constexpr std::size_t shown = 8'000;
    const std::string lines = log();
    const std::size_t from = lines.size() > shown ? lines.find('\n', lines.size() - shown) + 1 : 0;
    fmt::print(stderr, "the end of the server's log:\n{}\n", std::string_view{lines}.substr(from));
  }
}

void server_process::check_log() const {
  if (process_) {
    CHECK(credential_in(log()) == "");
  }
}

void server_process::start() {
  check_log();
  std::vector<std::string> arguments = starter_;
  arguments.insert(arguments.end(), {coffer_binary(), "serve"});
  process_ = std::make_unique<process>(std::move(arguments), env_);
  const auto line = wait_for_event("listening", std::chrono::seconds{20});
  if (!line) {
    throw std::runtime_error("the server does not listen; its output:\n" + log());
  }
  port_ = port_of(*line, "address");
  admin_port_ = port_of(*line, "admin_address");
  set_recorded(port_, true);
  set_recorded(admin_port_, false);
}

std::optional<json_value> server_process::wait_for_event(const std::string& event, std::chrono::milliseconds limit,
                                                         const std::string& part) {
  const auto line = process_->wait_for_line({fmt::format("\"event\":\"{}\"", event), part}, limit);
  return line ? std::optional{json_value::parse(*line)} : std::nullopt;
}

int server_process::stop(int number, std::chrono::milliseconds limit) {
  process_->signal(number);
  const auto code = process_->wait(limit);
  if (!code) {
    throw std::runtime_error("the server did not stop in time; its output:\n" + log());
  }
  return *code;
}

void server_process::kill() { stop(9); }

void server_process::restart() {
  if (running()) {
    throw std::logic_error("stop() or kill() the server before restart()");
  }
  env_["COFFER_LISTEN"] = fmt::format("127.0.0.1:{}", port_);
  if (admin_port_ != 0) {
    env_["COFFER_ADMIN_LISTEN"] = fmt::format("127.0.0.1:{}", admin_port_);
  }
  start();
}

std::optional<double> server_process::metric(std::string_view series) const {
  const std::string text = admin().get("/metrics").body;
  const std::string wanted = "\n" + std::string{series} + " ";
  const auto at = ("\n" + text).find(wanted);
  if (at == std::string::npos) {
    return std::nullopt;
  }
  return std::strtod(text.c_str() + at + wanted.size() - 1, nullptr);
}

}  // namespace coffer::test
