// One connected socket, TCP with or without TLS, or unix: bytes out, bytes in. Knows neither commands nor replies.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "coffer/net/task.hpp"
#include "coffer/redis/url.hpp"

namespace coffer::redis {

/// Told what happens on a transport, never after close(). Within calls on the transport only read_available() tells.
class transport_owner {
 public:
  virtual void on_connected() = 0;
  virtual void on_bytes(std::string_view bytes) = 0;
  /// It could not be connected, or is broken or closed by the peer.
  virtual void on_lost(const std::string& why) = 0;

 protected:
  ~transport_owner() = default;
};

/// Used once: opened, written to, closed. Held by its pending operations; the owner must call close() before it goes.
class transport : public std::enable_shared_from_this<transport> {
 public:
  /// `tls`: what TLS is spoken by; null: none.
  transport(const net::executor& ex, transport_owner& owner, std::shared_ptr<const net::tls_context> tls);

  /// Connects; names are looked up on asio's resolver thread and all their addresses are tried. No deadline: call
  /// close().
  void open(const server_url& where);

  /// What is to be written by the next flush().
  std::string& unsent() noexcept { return unsent_; }

  /// Bytes that the socket has not taken.
  [[nodiscard]] std::size_t unsent_bytes() const noexcept { return unsent_.size() - sent_; }

  /// Writes now what the socket takes, and the rest as it takes more.
  void flush();

  /// Reads what has arrived and hands it to the owner, without waiting.
  void read_available();

  /// Ends everything; nothing is reported any more.
  void close();

 private:
  using protocol = asio::generic::stream_protocol;
  using resolver = asio::ip::basic_resolver<asio::ip::tcp, net::executor>;

  void try_next();
  void connected();
  void shake_hands();
  void begin();
  net::io_result receive();
  net::io_result send(std::string_view bytes);
  void wait_readable();
  void wait_writable();
  /// What the socket waits for before it is tried again, where it would wait for `otherwise` without TLS.
  [[nodiscard]] asio::socket_base::wait_type wait_for(asio::socket_base::wait_type otherwise) const;
  void report_lost(std::string why);

  asio::basic_stream_socket<protocol, net::executor> socket_;
  std::shared_ptr<const net::tls_context> tls_;
  std::unique_ptr<net::tls_channel> channel_;  ///< over the socket; null without TLS
  std::string failure_;                        ///< why receive() or send() failed
  std::unique_ptr<resolver> resolver_;
  transport_owner* owner_;  ///< nullptr after close()
  std::vector<protocol::endpoint> candidates_;
  std::size_t next_candidate_ = 0;
  bool tcp_ = false;
  bool writing_ = false;  ///< a wait for writability is under way
  bool broken_ = false;   ///< on_lost is on its way
  std::string unsent_;
  std::size_t sent_ = 0;  ///< of unsent_
  std::array<char, 32 * 1024> input_;
};

namespace detail {

/// Past this, what has been sent is cut off the buffer before all of it has been.
inline constexpr std::size_t compact_above = 64 * 1024;

inline bool would_block(const asio::error_code& e) {
  return e == asio::error::would_block || e == asio::error::try_again;
}

}  // namespace detail

inline transport::transport(const net::executor& ex, transport_owner& owner,
                            std::shared_ptr<const net::tls_context> tls)
    : socket_{ex}, tls_{std::move(tls)}, owner_{&owner} {}

inline void transport::open(const server_url& where) {
  if (!where.path.empty()) {
    candidates_.emplace_back(asio::local::stream_protocol::endpoint{where.path});
    try_next();
    return;
  }
  tcp_ = true;
  asio::error_code not_a_number;
  const auto number = asio::ip::make_address(where.host, not_a_number);
  if (!not_a_number) {
    candidates_.emplace_back(asio::ip::tcp::endpoint{number, where.port});
    try_next();
    return;
  }
  resolver_ = std::make_unique<resolver>(socket_.get_executor());
  resolver_->async_resolve(where.host, std::to_string(where.port),
                           [self = shared_from_this()](const asio::error_code& e, const auto& found) {
                             if (self->owner_ == nullptr) {
                               return;
                             }
                             if (e) {
                               self->report_lost(e.message());
                               return;
                             }
                             for (const auto& entry : found) {
                               self->candidates_.emplace_back(entry.endpoint());
                             }
                             self->try_next();
                           });
}

inline void transport::try_next() {
  const protocol::endpoint to = candidates_[next_candidate_++];
  asio::error_code e;
  socket_.close(e);
  socket_.open(to.protocol(), e);
  if (e) {
    report_lost(e.message());
    return;
  }
  socket_.async_connect(to, [self = shared_from_this()](const asio::error_code& failed) {
    if (self->owner_ == nullptr) {
      return;
    }
    if (!failed) {
      self->connected();
    } else if (self->next_candidate_ < self->candidates_.size()) {
      self->try_next();
    } else {
      self->report_lost(failed.message());
    }
  });
}

inline void transport::connected() {
  asio::error_code e;
  socket_.non_blocking(true, e);
  if (!e && tcp_) {
    socket_.set_option(asio::ip::tcp::no_delay{true}, e);
  }
  if (e) {
    report_lost(e.message());
    return;
  }
  if (tls_) {
    channel_ = std::make_unique<net::tls_channel>(tls_, socket_.native_handle());
    shake_hands();
  } else {
    begin();
  }
}

inline void transport::shake_hands() {
  switch (channel_->shake_hands()) {
    case net::tls_channel::handshake::done:
      return begin();
    case net::tls_channel::handshake::waits:
      break;
    case net::tls_channel::handshake::failed:
    case net::tls_channel::handshake::plain:
      return report_lost("TLS: " + channel_->failure());
  }
  socket_.async_wait(wait_for(asio::socket_base::wait_read), [self = shared_from_this()](const asio::error_code& e) {
    if (self->owner_ == nullptr) {
      return;
    }
    if (e) {
      self->report_lost(e.message());
    } else {
      self->shake_hands();
    }
  });
}

inline void transport::begin() {
  wait_readable();
  owner_->on_connected();
}

inline asio::socket_base::wait_type transport::wait_for(asio::socket_base::wait_type otherwise) const {
  if (!channel_) {
    return otherwise;
  }
  return channel_->waits_for_room() ? asio::socket_base::wait_write : asio::socket_base::wait_read;
}

inline net::io_result transport::receive() {
  if (channel_) {
    const net::io_result got = channel_->read(input_);
    failure_ = got.status == net::io_status::failed ? "TLS: " + channel_->failure() : std::string{};
    return got;
  }
  asio::error_code e;
  const std::size_t size = socket_.read_some(asio::buffer(input_), e);
  if (!e) {
    return {net::io_status::moved, size};
  }
  failure_ = e.message();
  return {detail::would_block(e) ? net::io_status::waits : net::io_status::failed};
}

inline net::io_result transport::send(std::string_view bytes) {
  if (channel_) {
    const net::io_result sent = channel_->write(bytes);
    failure_ = sent.status == net::io_status::failed ? "TLS: " + channel_->failure() : std::string{};
    return sent;
  }
  asio::error_code e;
  const std::size_t size = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), e);
  if (!e) {
    return {net::io_status::moved, size};
  }
  failure_ = e.message();
  return {detail::would_block(e) ? net::io_status::waits : net::io_status::failed};
}

inline void transport::wait_readable() {
  socket_.async_wait(wait_for(asio::socket_base::wait_read), [self = shared_from_this()](const asio::error_code& e) {
    if (self->owner_ == nullptr) {
      return;
    }
    if (e) {
      self->report_lost(e.message());
      return;
    }
    self->read_available();
    if (self->owner_ != nullptr && !self->broken_) {
      self->wait_readable();
    }
  });
}

inline void transport::read_available() {
  for (bool more = true; more && owner_ != nullptr && !broken_;) {
    const net::io_result got = receive();
    // A socket that did not fill the room has no more; TLS gives a record at a time.
    more = got.status == net::io_status::moved && (channel_ || got.size == input_.size());
    if (got.status == net::io_status::moved) {
      owner_->on_bytes({input_.data(), got.size});
    } else if (got.status != net::io_status::waits) {
      report_lost(failure_.empty() ? "the server has closed the connection" : failure_);
    }
  }
}

inline void transport::flush() {
  if (writing_ || broken_) {
    return;
  }
  while (sent_ < unsent_.size()) {
    const net::io_result moved = send(std::string_view{unsent_}.substr(sent_));
    sent_ += moved.size;
    if (moved.status == net::io_status::waits) {
      wait_writable();
      return;
    }
    if (moved.status != net::io_status::moved) {
      report_lost(failure_.empty() ? "the server has closed the connection" : failure_);
      return;
    }
  }
  unsent_.clear();
  sent_ = 0;
}

inline void transport::wait_writable() {
  if (sent_ > detail::compact_above) {
    unsent_.erase(0, sent_);
    sent_ = 0;
  }
  writing_ = true;
  socket_.async_wait(wait_for(asio::socket_base::wait_write), [self = shared_from_this()](const asio::error_code& e) {
    self->writing_ = false;
    if (self->owner_ != nullptr && !e) {
      self->flush();
    }
  });
}

inline void transport::report_lost(std::string why) {
  if (broken_) {
    return;
  }
  broken_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this(), why = std::move(why)] {
    if (self->owner_ != nullptr) {
      self->owner_->on_lost(why);
    }
  });
}

inline void transport::close() {
  owner_ = nullptr;
  if (resolver_) {
    resolver_->cancel();
  }
  if (channel_ && !broken_) {
    channel_->finish();
  }
  asio::error_code ignored;
  socket_.close(ignored);
}

}  // namespace coffer::redis
