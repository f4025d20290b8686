// One connected socket, TCP or unix: bytes out, bytes in. Knows neither commands nor replies.
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
  virtual void on_lost(const asio::error_code& why) = 0;

 protected:
  ~transport_owner() = default;
};

/// Used once: opened, written to, closed. Held by its pending operations; the owner must call close() before it goes.
class transport : public std::enable_shared_from_this<transport> {
 public:
  transport(const net::executor& ex, transport_owner& owner);

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
  void wait_readable();
  void wait_writable();
  void report_lost(const asio::error_code& why);

  asio::basic_stream_socket<protocol, net::executor> socket_;
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
