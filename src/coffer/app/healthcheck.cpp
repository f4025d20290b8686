#include "coffer/app/healthcheck.hpp"

#include <string_view>

#include <fmt/format.h>

#include "coffer/app/settings_values.hpp"
#include "coffer/base/exception.hpp"
#include "coffer/net/connection.hpp"

namespace coffer::app {

namespace {

/// GETs `path` and puts the status line into `answer`. The first 4 KiB are enough for it.
net::task<> ask(listen_address to, std::string path, std::shared_ptr<const net::tls_context> tls, health* answer) {
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
  std::string got(4096, '\0');
  std::size_t size = 0;
  while (size < got.size() && std::string_view{got}.substr(0, size).find("\r\n") == std::string_view::npos) {
    const auto [failed, more] = co_await server.read_some({got.data() + size, got.size() - size});
    if (failed) {
      throw std::system_error{failed};
    }
    size += more;
  }
  answer->detail = got.substr(0, got.find("\r\n"));
  answer->ok = answer->detail.starts_with("HTTP/1.1 200 ");
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
    if (!net::has_tls()) {
      return {.ok = false, .detail = "this program was built without TLS and cannot ask by https"};
    }
    tls = net::tls_context::for_unverified_client();
  }
  health answer{.ok = false, .detail = fmt::format("no answer within {}", format_duration(limit))};
  asio::io_context context{1};
  std::exception_ptr failure;
  asio::co_spawn(context, ask(*address, path, std::move(tls), &answer), [&](std::exception_ptr e) { failure = e; });
  context.run_for(limit);
  if (failure) {
    answer.detail = describe(failure);
  }
  return answer;
}

}  // namespace coffer::app
