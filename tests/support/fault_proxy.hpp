// A TCP proxy on loopback that breaks connections at chosen moments. Has a thread of its own; knows no coffer code.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace coffer::test {

/// What happens when a fault strikes.
enum class fault_action : std::uint8_t {
  cut,    ///< what was forwarded before is delivered, then both sides of this connection are closed
  stall,  ///< this connection carries nothing more, in either direction, until resume() or heal()
};

/// When a fault strikes. A statement is a simple Query, or the Bind of a prepared one.
enum class fault_point : std::uint8_t {
  before_statement,   ///< it was not forwarded: the server never sees it
  after_statement,    ///< it was forwarded, with the rest up to the Sync; its answer is not: either may have happened
  before_completion,  ///< the server has executed it and said so; the CommandComplete is not forwarded
};

/// Forwards between 127.0.0.1:port() and one upstream server. All members may be called from any thread. Destroying it
/// closes every connection.
///
///     fault_proxy proxy{address.host, address.port};                          // or a unix socket's path and 0
///     how.url = url_with(database_url(), proxy.keywords());
///     proxy.inject(fault_point::before_completion, "COMMIT", fault_action::cut);  // committed, but nobody is told
///     ... use the connection ...
///     CHECK(proxy.wait_injected(1));
///     proxy.heal();
class fault_proxy {
 public:
  enum class protocol : std::uint8_t {
    postgres,  ///< messages are understood; a request for TLS is answered with no
    raw,       ///< bytes, for Redis and everything else
  };

  /// Listens at once; connects upstream for each client. `host` that starts with '/' is a unix socket.
  explicit fault_proxy(std::string host, std::uint16_t port, protocol spoken = protocol::postgres);
  ~fault_proxy();
  fault_proxy(const fault_proxy&) = delete;
  fault_proxy& operator=(const fault_proxy&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// {{"host", "127.0.0.1"}, {"port", "..."}} for url_with().
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> keywords() const;

  /// Strikes once, at the `nth` match from now on, over all connections. `text` is looked for, without regard to case,
  /// in a statement's SQL and name, or in the command tag for before_completion.
  void inject(fault_point at, std::string text, fault_action what, int nth = 1);

  /// Strikes once, behind exactly so many further bytes from clients (to the server), over all connections.
  void inject_after_client_bytes(std::size_t count, fault_action what);
  /// The same for bytes from the server.
  void inject_after_server_bytes(std::size_t count, fault_action what);

  /// How many faults have struck.
  [[nodiscard]] int injected() const;
  /// Waits until at least `count` faults have struck; false when `limit` passes first.
  [[nodiscard]] bool wait_injected(int count, std::chrono::milliseconds limit = std::chrono::seconds{10}) const;

  /// Closes every connection now.
  void cut_all();
  /// Stalls every connection, new ones included (they are accepted, as a hung server's kernel would).
  void stall_all();
  /// Lets stalled connections go on where they stood.
  void resume();
  /// Closes the listener: new connections are refused; those that exist go on.
  void refuse();
  /// Listens again on the same port.
  void accept_again();
  /// Forgets faults that have not struck, resumes, listens.
  void heal();

  /// Connections that are open now.
  [[nodiscard]] std::size_t connections() const;
  /// Connections accepted since the start.
  [[nodiscard]] std::size_t accepted() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace coffer::test
