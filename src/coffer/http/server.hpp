// Listens on one address and serves its connections on several threads. Knows nothing of what is served.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/http/handler.hpp"
#include "coffer/http/limits.hpp"
#include "coffer/net/address.hpp"
#include "coffer/net/listener.hpp"
#include "coffer/net/task.hpp"
#include "coffer/net/tls.hpp"

namespace coffer::http {

/// A thread that serves connections: its executor and the handler that runs there, which outlives the server.
struct shard {
  shard(net::executor ex, handler& h) : executor{std::move(ex)}, requests{&h} {}

  net::executor executor;
  handler* requests;
};

/// Who connects, and what that changes.
struct client_rules {
  /// Connections of one address at once, of IPv6 of one /64; more are closed as soon as they are accepted. 0: any
  /// number.
  std::size_t per_address = 0;
  /// May have any number of connections, and say in X-Forwarded-For for whom they ask.
  net::address_set proxies;
};

/// An HTTP server. Connections are accepted on the first shard's thread and dealt out in turn. All functions are
/// called on that thread, or before the threads run. Destroy it after stop() has ended or when no io_context runs.
class server {
 public:
  /// `name` is a literal that tells servers of one process apart in logs and metrics, e.g. "public".
  server(std::string_view name, std::vector<shard> shards, const limits& l, client_rules clients = client_rules{});
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Binds `address` ("127.0.0.1:8080", "[::1]:0", "localhost:8080") and starts to accept. Port 0 takes a free one.
  /// Throws std::system_error, or std::invalid_argument for an address that cannot be read, both naming the address.
  void listen(const std::string& address);

  /// As above, with a socket that listens already and that others hold too; at stop() its backlog is left to them.
  /// Throws std::runtime_error for anything else.
  void listen(net::owned_fd listening);

  /// From now on new connections speak TLS; with another context than before, as that one says. Connections that are
  /// open stay with theirs.
  void secure(std::shared_ptr<const net::tls_context> tls);

  /// The port that listen() bound.
  [[nodiscard]] std::uint16_t port() const noexcept;

  /// How many connections are open on all shards.
  [[nodiscard]] std::size_t connections() const noexcept;

  /// Stops without failing a request that was accepted: takes what is in the backlog, closes the listener, answers
  /// what runs and what has been received with Connection: close, lets idle connections go. At `until` it cuts what is
  /// left. Returns when all connections have ended, or one second after `until`: false then.
  net::task<bool> stop(net::deadline until);

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace coffer::http
