// One connection to Redis shared by all coroutines of a thread: commands go out and replies come back in one order.
// Knows nothing of what is stored.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/net/task.hpp"
#include "coffer/redis/reply.hpp"

namespace coffer::redis {

/// Why there is no reply. An error that Redis reports ("-OOM ...") is a reply.
enum class failure : std::uint8_t {
  unavailable,   ///< not sent: there is no connection
  lost,          ///< the connection was lost before the reply; the command may have been executed
  timeout,       ///< no reply in time; the command may have been or may yet be executed
  breaker_open,  ///< not sent: too many failures in a row
  overloaded,    ///< not sent: too many commands or bytes are waiting
  protocol,      ///< what came back is not RESP
};

/// "unavailable", "timeout", ...
std::string_view to_string(failure f) noexcept;

using outcome = std::expected<reply, failure>;

/// Called exactly once, on the client's thread, in the order of the commands. It runs inside the client: it must not
/// throw and must not destroy the client. May be empty.
using callback = std::move_only_function<void(outcome)>;

struct options {
  options() = default;
  explicit options(std::string where) : url{std::move(where)} {}

  std::string url;                                  ///< see parse_url
  std::chrono::milliseconds connect_timeout{200};   ///< name look-up, connecting and logging in together
  std::chrono::milliseconds command_timeout{100};   ///< from the call to the reply
  std::size_t max_pending = 4096;                   ///< commands without a reply; beyond: overloaded
  std::size_t max_unsent_bytes = 16 * 1024 * 1024;  ///< beyond: overloaded
  int breaker_failures = 5;                         ///< failures in a row that open the breaker and drop the connection
  std::chrono::milliseconds breaker_open{1000};     ///< how long nothing is tried then
};

/// Connects by itself, at once and again whenever the connection is lost (back-off with jitter). Commands that are
/// given while a connection is being made wait for it. Never throws for trouble with Redis.
class client {
 public:
  /// Throws std::invalid_argument, with a sentence for the operator, when the URL is malformed or names files for TLS
  /// that cannot be used.
  client(net::executor ex, options how);
  /// Ends what waits with `lost` or `unavailable`. Call close() first where the order of shutdown allows it.
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  /// Sends a command and waits for its reply; commands of one turn of the event loop share a write. Ends at the latest
  /// shortly after the command timeout. Not cancellable.
  net::task<outcome> command(std::vector<std::string> arguments);

  /// Sends a command and returns. It stands in one line with all other commands, and the line is written to the socket
  /// before this returns unless the socket is full. Without a connection `done` may be called before this returns.
  void post_command(std::span<const std::string_view> arguments, callback done);

  /// Runs a Lua script, as command() and as post_command(). `source` is sent each time: Redis finds the compiled script
  /// by its hash, and a flushed script cache needs no second try.
  net::task<outcome> eval(std::string_view source, const std::vector<std::string>& keys,
                          const std::vector<std::string>& arguments);
  void post_eval(std::string_view source, const std::vector<std::string>& keys,
                 const std::vector<std::string>& arguments, callback done);

  /// Whether a command would be sent now.
  [[nodiscard]] bool available() const noexcept;

  /// The run_id of the server that was reached last: another one has other data. Of a server that does not tell, a word
  /// of this connection's own: every connection may have led to another one. "-" before the first.
  [[nodiscard]] const std::string& server_run() const noexcept;

  /// Why the server that answers at the address cannot be used: it refuses the login, or is a node of a cluster. Empty
  /// while that is not known or not so.
  [[nodiscard]] const std::string& refusal() const noexcept;

  /// Commands that wait for a reply.
  [[nodiscard]] std::size_t pending() const noexcept;

  /// Waits for the replies to everything sent (at most the command timeout), then disconnects for good.
  net::task<> close();

 private:
  class impl;
  std::shared_ptr<impl> impl_;
};

}  // namespace coffer::redis
