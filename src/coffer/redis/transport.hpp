// One connected socket, TCP with or without TLS, or unix: bytes out, bytes in. Knows neither commands nor replies.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
  void open(const address& where);

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

}  // namespace coffer::redis
