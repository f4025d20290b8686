#include "coffer/http/server.hpp"

#include <sys/socket.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "coffer/base/assert.hpp"
#include "coffer/base/log.hpp"
#include "coffer/http/http_metrics.hpp"
#include "coffer/http/request_id.hpp"
#include "coffer/http/session.hpp"
#include "coffer/net/task_group.hpp"

namespace coffer::http {

namespace {

using namespace std::chrono_literals;

/// The sessions of one shard; touched on its thread only.
struct shard_sessions {
  explicit shard_sessions(const shard& s) : where{s}, tasks{s.executor} {}

  shard where;
  net::task_group tasks;
  std::unordered_set<session*> open;
  bool draining = false;
};

/// Under which name a client's connections are counted.
std::string owner_of(const std::string& peer) {
  const auto address = net::address::parse(peer);
  return address ? address->subscriber().text() : peer;
}

net::tcp_socket adopt(const net::executor& ex, net::owned_fd fd) {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &size);
  net::tcp_socket socket{ex};
  socket.assign(local.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), fd.get());
  fd.release();
  return socket;
}

}  // namespace

struct server::state : std::enable_shared_from_this<server::state> {
  state(std::string_view n, const std::vector<shard>& where, const limits& l, client_rules c)
      : name{n}, limit{l}, clients{std::move(c)}, count{n} {
    for (const shard& s : where) {
      shards.push_back(std::make_shared<shard_sessions>(s));
    }
  }

  void make_listener();
  void hand_over(net::owned_fd fd, std::string peer);
  static net::task<> serve(std::shared_ptr<state> self, std::shared_ptr<shard_sessions> on, net::owned_fd fd,
                           std::string peer, std::shared_ptr<const net::tls_context> tls);
  [[nodiscard]] bool counts(const std::string& peer) const;
  bool admit(const std::string& peer);
  void forget(const std::string& peer);
  void session_ended(const std::string& peer);
  void refuse(int fd);
  template <typename Action>
  void for_each_session(Action action);

  std::string_view name;
  limits limit;
  const client_rules clients;
  listener_metrics count;
  std::vector<std::shared_ptr<shard_sessions>> shards;
  std::size_t next_shard = 0;
  std::optional<net::listener> listener;
  std::shared_ptr<const net::tls_context> tls;  ///< of the next connection
  std::atomic<std::size_t> connections{0};
  std::mutex addresses_guard;
  /// Connections by address, for those that are counted. An entry goes with its last connection, so that there are
  /// never more than connections.
  std::unordered_map<std::string, std::size_t> addresses;
  std::atomic<bool> full{false};  ///< the listener waits for resume()
};

server::server(std::string_view name, std::vector<shard> shards, const limits& l, client_rules clients)
    : state_{std::make_shared<state>(name, shards, l, std::move(clients))} {
  COFFER_ASSERT(!shards.empty());
  http_metrics::get();  // all series are there from the beginning
}

server::~server() = default;

void server::listen(const std::string& address) {
  state_->make_listener();
  state_->listener->open(address);
  state_->shards.front()->tasks.spawn("http listener", state_->listener->run());
}

void server::listen(net::owned_fd listening) {
  state_->make_listener();
  state_->listener->open(std::move(listening));
  state_->shards.front()->tasks.spawn("http listener", state_->listener->run());
}

void server::secure(std::shared_ptr<const net::tls_context> tls) { state_->tls = std::move(tls); }

std::uint16_t server::port() const noexcept { return state_->listener ? state_->listener->port() : std::uint16_t{0}; }

std::size_t server::connections() const noexcept { return state_->connections; }

void server::state::make_listener() {
  net::listener::callbacks calls;
  // The listener belongs to this state and its coroutine runs no longer than the listener's executor.
  calls.has_room = [this] {
    full = connections >= limit.connections;
    // A session that ended between the two looks may not have seen `full`.
    if (full && connections < limit.connections) {
      full = false;
    }
    return !full;
  };
  calls.accepted = [this](net::owned_fd fd, std::string peer) { hand_over(std::move(fd), std::move(peer)); };
  calls.refused = [this](int fd) { refuse(fd); };
  calls.paused = [this](net::listener::pause why) {
    switch (why) {
      case net::listener::pause::no_room:
        return count.paused_full.add();
      case net::listener::pause::no_descriptors:
        return count.paused_descriptors.add();
      case net::listener::pause::failing:
        return count.paused_failing.add();
    }
  };
  listener.emplace(shards.front()->where.executor, std::move(calls));
}

/// Whether connections from that address are counted: those of proxies are their clients'.
bool server::state::counts(const std::string& peer) const {
  return clients.per_address != 0 && !clients.proxies.contains(peer);
}

/// Counts a connection of that address. False when there are as many as there may be.
bool server::state::admit(const std::string& peer) {
  if (!counts(peer)) {
    return true;
  }
  const std::scoped_lock held{addresses_guard};
  std::size_t& open = addresses[owner_of(peer)];
  if (open >= clients.per_address) {
    return false;
  }
  ++open;
  return true;
}

void server::state::forget(const std::string& peer) {
  if (!counts(peer)) {
    return;
  }
  const std::scoped_lock held{addresses_guard};
  const auto found = addresses.find(owner_of(peer));
  if (found != addresses.end() && --found->second == 0) {
    addresses.erase(found);
  }
}

/// Gives the connection to the next shard in turn, unless its client has too many.
void server::state::hand_over(net::owned_fd fd, std::string peer) {
  if (!admit(peer)) {
    count.refused_address.add();
    return;
  }
  ++connections;
  count.accepted.add();
  count.connections.add(1);
  const auto to = shards[next_shard];
  next_shard = (next_shard + 1) % shards.size();
  auto begin = [self = shared_from_this(), to, fd = std::move(fd), peer = std::move(peer), tls = tls]() mutable {
    to->tasks.spawn("http session", serve(self, to, std::move(fd), std::move(peer), std::move(tls)));
  };
  asio::post(to->where.executor, std::move(begin));
}

net::task<> server::state::serve(std::shared_ptr<state> self, std::shared_ptr<shard_sessions> on, net::owned_fd fd,
                                 std::string peer, std::shared_ptr<const net::tls_context> tls) {
  std::exception_ptr failure;
  try {
    const net::address_set* const proxies = self->clients.proxies.contains(peer) ? &self->clients.proxies : nullptr;
    net::connection client{adopt(on->where.executor, std::move(fd)), std::move(tls)};
    session s{std::move(client), peer, *on->where.requests, self->limit, proxies};
    on->open.insert(&s);
    if (on->draining) {
      s.drain();
    }
    try {
      co_await s.run();
    } catch (...) {
      failure = std::current_exception();
    }
    on->open.erase(&s);
  } catch (...) {
    failure = std::current_exception();
  }
  self->session_ended(peer);
  if (failure) {
    std::rethrow_exception(failure);
  }
}

void server::state::session_ended(const std::string& peer) {
  forget(peer);
  --connections;
  count.connections.add(-1);
  if (full.exchange(false)) {
    asio::post(shards.front()->where.executor, [self = shared_from_this()] { self->listener->resume(); });
  }
}

/// Tells a client that there are no descriptors for it, if its socket takes that at once. With TLS there is no way to
/// tell it but to close.
void server::state::refuse(int fd) {
  count.refused.add();
  if (tls) {
    return;
  }
  request nothing;
  append_request_id(nothing.request_id);
  nothing.received = std::chrono::steady_clock::now();
  const rejection why{503, errc::overloaded, "The server has too many connections."};
  const response made = shards.front()->where.requests->reject(why, nothing);
  serialise_options how;
  how.request_id = nothing.request_id;
  how.close = true;
  std::string bytes;
  serialise(made, how, bytes);
  static_cast<void>(::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  ::shutdown(fd, SHUT_WR);
}

/// Runs `action(shard, session)` for each session on its thread, and marks the shards as draining.
template <typename Action>
void server::state::for_each_session(Action action) {
  for (const auto& each : shards) {
    auto visit = [each, action] {
      each->draining = true;
      for (session* s : each->open) {
        action(*s);
      }
    };
    asio::post(each->where.executor, std::move(visit));
  }
}

net::task<bool> server::stop(net::deadline until) {
  const auto self = state_;
  self->for_each_session([](session& s) { s.drain(); });
  if (self->listener) {
    co_await self->listener->close();
  }
  while (self->connections > 0 && std::chrono::steady_clock::now() < until) {
    co_await net::sleep_for(2ms);
  }
  const bool clean = self->connections == 0;
  if (!clean) {
    log::warn("connections cut", {{"listener", self->name}, {"connections", self->connections.load()}});
    self->for_each_session([](session& s) { s.cut(); });
    const net::deadline last = net::deadline_in(1s);
    while (self->connections > 0 && std::chrono::steady_clock::now() < last) {
      co_await net::sleep_for(2ms);
    }
  }
  co_return clean;
}

}  // namespace coffer::http
