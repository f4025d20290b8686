#include "coffer/app/healthcheck.hpp"

#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "coffer/app/commands.hpp"
#include "coffer/app/one_shot.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/base/exception.hpp"
#include "coffer/json/reader.hpp"
#include "coffer/net/connection.hpp"

namespace coffer::app {

namespace {

std::string member_of(const json::value& report, std::string_view name) {
  const json::value* const found = report.find(name);
  return found != nullptr && found->kind() == json::kind::string ? std::string{found->as_string()} : std::string{};
}

/// ": not ready (database up, schema missing, cache up): why and what to do" from the body that /readyz and /healthz
/// answer with; empty for any other.
std::string told_by(std::string body) {
  const auto parsed = json::parse(body);
  if (!parsed || parsed->root().kind() != json::kind::object) {
    return {};
  }
  const json::value& report = parsed->root();
  const std::string status = member_of(report, "status");
  std::string text = status.empty() ? "" : fmt::format(": {}", status);
  if (report.find("schema") != nullptr) {
    text += fmt::format(" (database {}, schema {}, cache {})", member_of(report, "database"),
                        member_of(report, "schema"), member_of(report, "cache"));
  }
  const std::string message = member_of(report, "message");
  return message.empty() ? text : fmt::format("{}: {}", text, message);
}

/// GETs `path`: the status line and what the body says. 16 KiB are enough for both.
net::task<health> ask(listen_address to, std::string path, std::shared_ptr<const net::tls_context> tls) {
  net::tcp_socket socket{co_await asio::this_coro::executor};
  const asio::ip::tcp::endpoint endpoint{asio::ip::make_address(to.host), to.port};
  co_await socket.async_connect(endpoint, net::use_task);
  net::connection server{std::move(socket), std::move(tls)};
  if (co_await server.begin() != net::connection::beginning::ready) {
    throw std::runtime_error{fmt::format("no TLS: {}", server.failure())};
  }
  // So little is taken at once by a connection that is new.
  const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", path, to.text());
  if (const net::io_result sent = server.try_write(request); sent.size != request.size()) {
    throw std::runtime_error{"the request could not be sent"};
  }
  std::string got(16384, '\0');
  std::size_t size = 0;
  while (size < got.size()) {
    const auto [failed, more] = co_await server.read_some({got.data() + size, got.size() - size});
    if (failed && std::string_view{got}.substr(0, size).find("\r\n") == std::string_view::npos) {
      throw std::system_error{failed};
    }
    if (failed) {
      break;  // it closes behind its answer
    }
    size += more;
  }
  got.resize(size);
  const auto head = got.find("\r\n\r\n");
  health answer;
  answer.detail = got.substr(0, got.find("\r\n"));
  answer.ok = answer.detail.starts_with("HTTP/1.1 200 ");
  if (head != std::string::npos) {
    answer.detail += told_by(got.substr(head + 4));
  }
  co_return answer;
}

}  // namespace

health check_health(const std::string& url, std::chrono::milliseconds limit) {
  const bool secured = url.starts_with("https://");
  const std::string_view scheme = secured ? "https://" : "http://";
  const auto slash = url.find('/', scheme.size());
  const std::string path = slash == std::string::npos ? "/" : url.substr(slash);
  const auto address = url.starts_with(scheme)
                           ? parse_listen_address(std::string_view{url}.substr(0, slash).substr(scheme.size()))
                           : std::nullopt;
  if (!address) {
    return {.ok = false, .detail = fmt::format("{} is not a URL like http://127.0.0.1:8080/readyz", url)};
  }
  std::shared_ptr<const net::tls_context> tls;
  if (secured) {
    tls = net::tls_context::for_unverified_client();
  }
  try {
    std::optional<health> answer = run_blocking_for(limit, ask(*address, path, std::move(tls)));
    return answer ? *std::move(answer)
                  : health{.ok = false, .detail = fmt::format("no answer within {}", format_duration(limit))};
  } catch (...) {
    return {.ok = false, .detail = describe(std::current_exception())};
  }
}

int run(const healthcheck_command& asked) {
  const health found = check_health(asked.url);
  fmt::print(found.ok ? stdout : stderr, "{}: {}\n", asked.url, found.detail);
  return found.ok ? exit_ok : exit_failed;
}

}  // namespace coffer::app
