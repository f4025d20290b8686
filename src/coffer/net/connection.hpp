// A client's connection, plain or with TLS. Knows nothing of what is said on it.
#pragma once

#include <cerrno>
#include <memory>
#include <span>
#include <string_view>
#include <tuple>

#include <sys/socket.h>

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

inline connection::connection(tcp_socket socket, std::shared_ptr<const tls_context> tls) : socket_{std::move(socket)} {
  if (tls) {
    channel_ = std::make_unique<tls_channel>(std::move(tls), socket_.native_handle());
  }
}

inline connection::~connection() {
  if (channel_ && socket_.is_open()) {
    channel_->finish();
  }
}

inline task<connection::beginning> connection::begin() {
  while (channel_) {
    const tls_channel::handshake state = channel_->shake_hands();
    if (state == tls_channel::handshake::done) {
      break;
    }
    if (state == tls_channel::handshake::plain) {
      channel_.reset();
      co_return beginning::plain;
    }
    if (state == tls_channel::handshake::failed) {
      co_return beginning::failed;
    }
    const auto [failed] = co_await wait_for_channel();
    if (failed) {
      co_return beginning::failed;
    }
  }
  co_return beginning::ready;
}

inline task<std::tuple<asio::error_code>> connection::wait_for_channel() {
  return socket_.async_wait(channel_->waits_for_room() ? tcp_socket::wait_write : tcp_socket::wait_read, as_tuple);
}

inline task<std::tuple<asio::error_code, std::size_t>> connection::read_some(std::span<char> room) {
  return channel_ ? read_sealed(room) : read_socket(room);
}

inline task<std::tuple<asio::error_code, std::size_t>> connection::discard_some(std::span<char> room) {
  return read_socket(room);
}

inline task<std::tuple<asio::error_code, std::size_t>> connection::read_socket(std::span<char> room) {
  return socket_.async_read_some(asio::buffer(room.data(), room.size()), as_tuple);
}

inline task<std::tuple<asio::error_code, std::size_t>> connection::read_sealed(std::span<char> room) {
  for (;;) {
    const io_result got = try_read(room);
    switch (got.status) {
      case io_status::moved:
        co_return std::tuple{asio::error_code{}, got.size};
      case io_status::ended:
        co_return std::tuple{asio::error_code{asio::error::eof}, std::size_t{0}};
      case io_status::failed:
        co_return std::tuple{asio::error_code{asio::error::connection_reset}, std::size_t{0}};
      case io_status::waits:
        break;
    }
    const auto [failed] = co_await wait_for_channel();
    if (failed) {
      co_return std::tuple{failed, std::size_t{0}};
    }
  }
}

inline io_result connection::try_read(std::span<char> room) {
  if (!socket_.is_open()) {
    return {};
  }
  if (channel_) {
    return channel_->read(room);
  }
  for (;;) {
    const ssize_t size = ::recv(socket_.native_handle(), room.data(), room.size(), MSG_DONTWAIT);
    if (size > 0) {
      return {io_status::moved, static_cast<std::size_t>(size)};
    }
    if (size == 0) {
      return {io_status::ended};
    }
    if (errno != EINTR) {
      return {errno == EAGAIN ? io_status::waits : io_status::failed};
    }
  }
}

inline bool connection::has_input() {
  if (!socket_.is_open()) {
    return false;
  }
  if (channel_) {
    return channel_->has_input();
  }
  char byte = 0;
  return ::recv(socket_.native_handle(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
}

inline task<std::tuple<asio::error_code>> connection::wait_for_input() {
  return channel_ ? wait_for_channel() : socket_.async_wait(tcp_socket::wait_read, as_tuple);
}

inline io_result connection::try_write(std::string_view bytes) {
  if (!socket_.is_open()) {
    return {};
  }
  if (channel_) {
    return channel_->write(bytes);
  }
  for (;;) {
    const ssize_t size = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size >= 0) {
      return {io_status::moved, static_cast<std::size_t>(size)};
    }
    if (errno != EINTR) {
      return {errno == EAGAIN ? io_status::waits : io_status::failed};
    }
  }
}

inline task<std::tuple<asio::error_code>> connection::wait_for_room() {
  return channel_ ? wait_for_channel() : socket_.async_wait(tcp_socket::wait_write, as_tuple);
}

inline void connection::finish() {
  if (!socket_.is_open()) {
    return;
  }
  if (channel_) {
    channel_->finish();
  }
  asio::error_code ignored;
  socket_.shutdown(tcp_socket::shutdown_send, ignored);
}

inline void connection::cancel() {
  asio::error_code ignored;
  socket_.cancel(ignored);
}

inline void connection::reset() {
  asio::error_code ignored;
  socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
  socket_.close(ignored);
}

inline std::string_view connection::failure() const noexcept {
  return channel_ ? std::string_view{channel_->failure()} : std::string_view{};
}

}  // namespace coffer::net
