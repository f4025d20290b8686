// One connection: reads requests, has them answered one at a time, writes the answers.
#pragma once

#include <memory>
#include <string>

#include "coffer/http/handler.hpp"
#include "coffer/http/limits.hpp"
#include "coffer/http/parser.hpp"
#include "coffer/net/task.hpp"
#include "coffer/net/watchdog.hpp"

namespace coffer::http {

/// A connection on one shard's thread. Deadlines are kept by one lazily re-armed timer; a request costs no timer
/// operation. While a request runs nothing is read, so that the client feels back-pressure.
class session : public std::enable_shared_from_this<session> {
 public:
  session(net::tcp_socket socket, std::string peer, handler& requests, const limits& l);

  /// Serves until the client or a rule ends the connection.
  net::task<> run();

  /// Answers what has been received with Connection: close. An idle connection gets limits::drain_grace for a last
  /// request.
  void drain();

  /// Ends the connection at once.
  void cut();

 private:
  enum class outcome : std::uint8_t { request, rejected, ended };

  net::task<outcome> receive();
  net::task<bool> read_some();
  net::task<bool> answer();
  net::task<bool> write(std::string_view bytes);
  net::task<> refuse(const rejection& why);
  net::task<> linger();
  net::task<response> call_handler();
  [[nodiscard]] net::deadline reading_deadline() const;
  void arm_reading();
  void expire();
  void reset_connection();

  net::tcp_socket socket_;
  handler& handler_;
  const limits& limits_;
  parser parser_;
  request request_;
  net::watchdog watchdog_;
  std::string in_;           ///< received and not yet consumed
  std::size_t in_used_ = 0;  ///< bytes at the front of in_ that the parser has consumed
  std::string out_;
  std::string scratch_;  ///< where the socket reads to
  std::chrono::steady_clock::time_point phase_began_;
  parser::phase phase_ = parser::phase::start;
  bool continue_sent_ = false;
  bool waiting_idle_ = false;
  bool draining_ = false;
  bool expired_ = false;
};

}  // namespace coffer::http
