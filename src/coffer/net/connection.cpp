#include "coffer/net/connection.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace coffer::net {

connection::connection(tcp_socket socket, std::shared_ptr<const tls_context> tls) : socket_{std::move(socket)} {
  if (tls) {
    channel_ = std::make_unique<tls_channel>(std::move(tls), socket_.native_handle());
  }
}

connection::~connection() {
  if (channel_ && socket_.is_open()) {
    channel_->finish();
  }
}

task<connection::beginning> connection::begin() {
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

task<std::tuple<asio::error_code>> connection::wait_for_channel() {
  return socket_.async_wait(channel_->waits_for_room() ? tcp_socket::wait_write : tcp_socket::wait_read, as_tuple);
}

task<std::tuple<asio::error_code, std::size_t>> connection::read_some(std::span<char> room) {
  return channel_ ? read_sealed(room) : read_socket(room);
}

task<std::tuple<asio::error_code, std::size_t>> connection::discard_some(std::span<char> room) {
  return read_socket(room);
}

task<std::tuple<asio::error_code, std::size_t>> connection::read_socket(std::span<char> room) {
  return socket_.async_read_some(asio::buffer(room.data(), room.size()), as_tuple);
}

task<std::tuple<asio::error_code, std::size_t>> connection::read_sealed(std::span<char> room) {
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

io_result connection::try_read(std::span<char> room) {
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

bool connection::has_input() {
  if (!socket_.is_open()) {
    return false;
  }
  if (channel_) {
    return channel_->has_input();
  }
  char byte = 0;
  return ::recv(socket_.native_handle(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
}

task<std::tuple<asio::error_code>> connection::wait_for_input() {
  return channel_ ? wait_for_channel() : socket_.async_wait(tcp_socket::wait_read, as_tuple);
}

io_result connection::try_write(std::string_view bytes) {
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

task<std::tuple<asio::error_code>> connection::wait_for_room() {
  return channel_ ? wait_for_channel() : socket_.async_wait(tcp_socket::wait_write, as_tuple);
}

void connection::finish() {
  if (!socket_.is_open()) {
    return;
  }
  if (channel_) {
    channel_->finish();
  }
  asio::error_code ignored;
  socket_.shutdown(tcp_socket::shutdown_send, ignored);
}

void connection::cancel() {
  asio::error_code ignored;
  socket_.cancel(ignored);
}

void connection::reset() {
  asio::error_code ignored;
  socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
  socket_.close(ignored);
}

std::string_view connection::failure() const noexcept {
  return channel_ ? std::string_view{channel_->failure()} : std::string_view{};
}

}  // namespace coffer::net
