// A client's connection, plain or with TLS. Knows nothing of what is said on it.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <tuple>

#include "coffer/net/task.hpp"
#include "coffer/net/tls.hpp"

namespace coffer::net {

/// A non-blocking socket that can be tried before it is waited for. On the thread of its executor alone.
class connection {
 public:
  /// How the beginning went.
  enum class beginning : std::uint8_t {
    ready,
    failed,  ///< failure() says why; cancel() ends up here too
    plain,   ///< a client that does not speak TLS: what is written goes out as it is, nothing can be read
  };

  /// With a context the connection speaks TLS.
  explicit connection(tcp_socket socket, std::shared_ptr<const tls_context> tls = nullptr);

  /// Says farewell where TLS is spoken, unless reset() was called.
  ~connection();
  connection(connection&&) noexcept = default;
  connection& operator=(connection&&) = delete;

  /// Makes the connection ready: shakes hands where TLS is spoken. Once, before anything else.
  task<beginning> begin();

  /// Waits for input and takes it; zero bytes never come without an error. The plain case is a single operation.
  task<std::tuple<asio::error_code, std::size_t>> read_some(std::span<char> room);
  /// Takes input that has come. `room` is not empty.
  io_result try_read(std::span<char> room);
  /// Whether there is input that has not been taken, looked for without waiting.
  bool has_input();
  /// Takes input off the socket and throws it away, in the way of read_some(). After finish() only.
  task<std::tuple<asio::error_code, std::size_t>> discard_some(std::span<char> room);
  /// Waits until try_read() may bring more.
  task<std::tuple<asio::error_code>> wait_for_input();

  /// Writes what the socket takes at once. `bytes` are not empty; after `waits` the same ones come again.
  io_result try_write(std::string_view bytes);
  /// Waits until try_write() may move more.
  task<std::tuple<asio::error_code>> wait_for_room();

  /// Tells the peer that nothing more is written.
  void finish();
  /// Ends what waits.
  void cancel();
  /// Ends the connection at once and lets the peer know by a reset.
  void reset();

  /// Whether it speaks TLS.
  [[nodiscard]] bool secured() const noexcept { return channel_ != nullptr; }
  [[nodiscard]] executor get_executor() noexcept { return socket_.get_executor(); }
  /// Why begin() failed, for logs.
  [[nodiscard]] std::string_view failure() const noexcept;

 private:
  task<std::tuple<asio::error_code, std::size_t>> read_socket(std::span<char> room);
  task<std::tuple<asio::error_code, std::size_t>> read_sealed(std::span<char> room);
  task<std::tuple<asio::error_code>> wait_for_channel();

  tcp_socket socket_;
  std::unique_ptr<tls_channel> channel_;
};

}  // namespace coffer::net
