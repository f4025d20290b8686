#include "coffer/app/healthcheck.hpp"

#include <string_view>

#include <fmt/format.h>

#include "coffer/app/settings_values.hpp"
#include "coffer/base/exception.hpp"
#include "coffer/net/task.hpp"

namespace coffer::app {

namespace {

/// GETs `path` and puts the status line into `answer`. The first 4 KiB are enough for it.
net::task<> ask(listen_address to, std::string path, health* answer) {
  net::tcp_socket socket{co_await asio::this_coro::executor};
  const asio::ip::tcp::endpoint endpoint{asio::ip::make_address(to.host), to.port};
  co_await socket.async_connect(endpoint, net::use_task);
  const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", path, to.text());
  co_await asio::async_write(socket, asio::buffer(request), net::use_task);
  std::string got(4096, '\0');
  std::size_t size = 0;
  while (size < got.size() && std::string_view{got}.substr(0, size).find("\r\n") == std::string_view::npos) {
    size += co_await socket.async_read_some(asio::buffer(got.data() + size, got.size() - size), net::use_task);
  }
  answer->detail = got.substr(0, got.find("\r\n"));
  answer->ok = answer->detail.starts_with("HTTP/1.1 200 ");
}

}  // namespace

health check_health(const std::string& url, std::chrono::milliseconds limit) {
  constexpr std::string_view scheme = "http://";
  const auto slash = url.find('/', scheme.size());
  const std::string path = slash == std::string::npos ? "/" : url.substr(slash);
  const auto address = url.starts_with(scheme)
                           ? parse_listen_address(std::string_view{url}.substr(0, slash).substr(scheme.size()))
                           : std::nullopt;
  if (!address) {
    return {.ok = false, .detail = fmt::format("{} is not a URL like http://127.0.0.1:8080/readyz", url)};
  }
  health answer{.ok = false, .detail = fmt::format("no answer within {}", format_duration(limit))};
  asio::io_context context{1};
  std::exception_ptr failure;
  asio::co_spawn(context, ask(*address, path, &answer), [&](std::exception_ptr e) { failure = e; });
  context.run_for(limit);
  if (failure) {
    answer.detail = describe(failure);
  }
  return answer;
}

}  // namespace coffer::app
