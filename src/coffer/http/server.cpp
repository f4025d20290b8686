#include "coffer/http/server.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <unordered_set>

#include <fmt/format.h>

#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/http/session.hpp"

namespace coffer::http {

namespace {

using namespace std::chrono_literals;

/// How long accepting pauses when the process has run out of descriptors or the server of connections.
constexpr auto accept_pause = 20ms;

struct host_and_port {
  std::string host;
  std::string port;
};

host_and_port split_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size()) {
    throw std::invalid_argument(fmt::format("\"{}\" is not an address: write host:port, e.g. 127.0.0.1:8080", address));
  }
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  return {std::move(host), address.substr(colon + 1)};
}

bool out_of_descriptors(const asio::error_code& e) {
  return e == asio::error::no_descriptors || e.value() == ENFILE || e == asio::error::no_buffer_space ||
         e == asio::error::no_memory;
}

}  // namespace

/// Sessions of one shard; touched on the shard's thread only.
struct shard_sessions {
  explicit shard_sessions(const shard& s) : where{s} {}
  shard where;
  std::unordered_set<session*> open;
  bool draining = false;
};

struct server::state : std::enable_shared_from_this<server::state> {
  state(std::string_view n, const limits& l)
      : name{n},
        limit{l},
        gauge{
            metrics::make_gauge("coffer_http_connections", "Open client connections", {{"listener", std::string{n}}})},
        accepted{metrics::make_counter("coffer_http_accepted_total", "Client connections accepted",
                                       {{"listener", std::string{n}}})},
        paused{metrics::make_counter("coffer_http_accept_pauses_total",
                                     "Pauses of accepting for want of descriptors or at the connection limit",
                                     {{"listener", std::string{n}}})} {}

  net::task<> accept_loop();
  void hand_over(net::tcp_socket socket, const std::shared_ptr<shard_sessions>& to);
  void drain_backlog();

  std::string_view name;
  limits limit;
  std::vector<std::shared_ptr<shard_sessions>> shards;
  std::size_t next_shard = 0;
  std::optional<net::tcp_acceptor> acceptor;
  std::atomic<std::size_t> connections = 0;
  bool stopping = false;
  bool accepting = false;
  metrics::gauge gauge;
  metrics::counter accepted;
  metrics::counter paused;
};

server::server(std::string_view name, std::vector<shard> shards, const limits& l)
    : state_{std::make_shared<state>(name, l)} {
  for (const shard& s : shards) {
    state_->shards.push_back(std::make_shared<shard_sessions>(s));
  }
}

server::~server() = default;

std::uint16_t server::port() const noexcept {
  asio::error_code ignored;
  return state_->acceptor->local_endpoint(ignored).port();
}

std::size_t server::connections() const noexcept { return state_->connections; }

void server::listen(const std::string& address) {
  const host_and_port parts = split_address(address);
  const net::executor ex = state_->shards.front()->where.executor;
  try {
    asio::ip::basic_resolver<asio::ip::tcp, net::executor> resolver{ex};
    const auto found = resolver.resolve(parts.host, parts.port, asio::ip::resolver_base::passive);
    const asio::ip::tcp::endpoint endpoint = found.begin()->endpoint();
    state_->acceptor.emplace(ex);
    state_->acceptor->open(endpoint.protocol());
    state_->acceptor->set_option(asio::socket_base::reuse_address{true});
    state_->acceptor->bind(endpoint);
    state_->acceptor->listen(4096);
    state_->acceptor->non_blocking(true);
  } catch (const std::system_error& e) {
    throw std::system_error(e.code(), fmt::format("cannot listen on {}", address));
  }
  auto ended = [self = state_](const std::exception_ptr& failure) {
    self->accepting = false;
    if (failure) {
      log::error("accept loop failed", {{"listener", self->name}});
    }
  };
  state_->accepting = true;
  asio::co_spawn(ex, state_->accept_loop(), std::move(ended));
}

net::task<> server::state::accept_loop() {
  const auto self = shared_from_this();
  while (!stopping) {
    if (connections >= limit.connections) {
      paused.add();
      co_await net::sleep_for(accept_pause);
      continue;
    }
    const auto& to = shards[next_shard];
    net::tcp_socket socket{to->where.executor};
    const auto [failed] = co_await acceptor->async_accept(socket, net::as_tuple);
    if (!failed) {
      next_shard = (next_shard + 1) % shards.size();
      hand_over(std::move(socket), to);
    } else if (out_of_descriptors(failed)) {
      paused.add();
      log::warn("out of descriptors, accepting pauses", {{"listener", name}});
      co_await net::sleep_for(accept_pause);
    } else if (failed == asio::error::operation_aborted) {
      break;
    }
  }
}

void server::state::hand_over(net::tcp_socket socket, const std::shared_ptr<shard_sessions>& to) {
  ++connections;
  accepted.add();
  gauge.add(1);
  asio::post(to->where.executor, [self = shared_from_this(), to, socket = std::move(socket)]() mutable {
    asio::error_code ignored;
    std::string peer = socket.remote_endpoint(ignored).address().to_string();
    auto s = std::make_shared<session>(std::move(socket), std::move(peer), *to->where.requests, self->limit);
    to->open.insert(s.get());
    if (to->draining) {
      s->drain();
    }
    auto ended = [self, to, s](const std::exception_ptr& failure) {
      if (failure) {
        log::error("session failed", {{"listener", self->name}});
      }
      to->open.erase(s.get());
      --self->connections;
      self->gauge.add(-1);
    };
    asio::co_spawn(to->where.executor, s->run(), std::move(ended));
  });
}

/// Takes the connections that the kernel has completed already: their clients may have sent a request.
void server::state::drain_backlog() {
  for (;;) {
    const auto& to = shards[next_shard];
    net::tcp_socket socket{to->where.executor};
    asio::error_code failed;
    acceptor->accept(socket, failed);
    if (failed) {
      return;
    }
    next_shard = (next_shard + 1) % shards.size();
    hand_over(std::move(socket), to);
  }
}

net::task<bool> server::stop(net::deadline until) {
  const auto self = state_;
  self->stopping = true;
  if (self->acceptor) {
    asio::error_code ignored;
    self->acceptor->cancel(ignored);
    while (self->accepting) {
      co_await net::sleep_for(1ms);
    }
    self->drain_backlog();
    self->acceptor->close(ignored);
  }
  for (const auto& each : self->shards) {
    asio::post(each->where.executor, [each] {
      each->draining = true;
      for (session* s : each->open) {
        s->drain();
      }
    });
  }
  while (self->connections > 0 && std::chrono::steady_clock::now() < until) {
    co_await net::sleep_for(5ms);
  }
  const bool clean = self->connections == 0;
  if (!clean) {
    for (const auto& each : self->shards) {
      asio::post(each->where.executor, [each] {
        for (session* s : each->open) {
          s->cut();
        }
      });
    }
    const auto last = net::deadline_in(1s);
    while (self->connections > 0 && std::chrono::steady_clock::now() < last) {
      co_await net::sleep_for(5ms);
    }
  }
  co_return clean;
}

}  // namespace coffer::http
