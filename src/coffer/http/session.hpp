// One connection: reads requests, has them answered one at a time, writes the answers. Knows no server.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "coffer/http/body_source.hpp"
#include "coffer/http/body_stream.hpp"
#include "coffer/http/handler.hpp"
#include "coffer/http/input_buffer.hpp"
#include "coffer/http/limits.hpp"
#include "coffer/http/parser.hpp"
#include "coffer/net/address.hpp"
#include "coffer/net/connection.hpp"
#include "coffer/net/task.hpp"
#include "coffer/net/watchdog.hpp"

namespace coffer::http {

/// A connection on its thread. While a request runs nothing is read but what its handler asks for, so that a client
/// that sends too fast feels back-pressure. The common request costs one read, one write and no timer operation: the
/// watchdog's deadline moves only, and the answer is offered to the socket before anything is waited for.
class session final : private body_stream {
 public:
  /// `requests`, `l` and `proxies` outlive the session. `proxies` is null unless the peer is one of them: then each
  /// request's client is the one that X-Forwarded-For tells of.
  session(net::connection client, std::string peer, handler& requests, const limits& l,
          const net::address_set* proxies = nullptr);
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  /// Serves until the client or a rule ends the connection. Keep the session until it has ended.
  net::task<> run();

  /// From now on the answer to the last request that has arrived says Connection: close. An idle connection gets
  /// limits::drain_grace for one more request.
  void drain();

  /// Resets the connection; run() ends as soon as the handler that runs has.
  void cut();

 private:
  /// How much room for a body and for an answer a connection keeps between requests, in bytes.
  static constexpr std::size_t kept_bytes = 32 * 1024;

  /// What is to be done next, as far as the bytes received tell.
  enum class step : std::uint8_t { read, answer, refuse, end };
  /// How an attempt to write ended.
  enum class sent : std::uint8_t { all, some, failed };
  /// How the connection goes on behind an answer.
  enum class ending : std::uint8_t { keep, close, linger };
  /// How far the body of a request is; `none` when it has none.
  enum class body_state : std::uint8_t { none, open, whole, stopped, failed };

  net::task<bool> begin();
  step next_step();
  void watch(net::deadline until);
  void watch_phase();
  bool received(const asio::error_code& failed, std::size_t size);
  bool expired_while_reading();
  bool received_late();
  void begin_answer();
  void find_client();
  response handler_failed(const std::exception_ptr& failure);
  void compose(const response& made);
  void compose_refusal(const rejection& why);
  sent send();
  net::task<bool> send_rest();
  /// Sends out_, waiting for the client. False when it cannot be sent.
  net::task<bool> send_all();
  /// Sends what `source` gives until its end. False when the connection is of no use any more.
  net::task<bool> stream(std::shared_ptr<body_source> source);
  net::task<> linger();

  // body_stream
  status collect() override;
  status take(std::string& piece) override;
  net::task<> wait() override;
  [[nodiscard]] const rejection& failure() const override;

  void begin_body();
  void fail_body(rejection why);
  void refuse_body(const rejection& why);
  void read_body();
  [[nodiscard]] status body_status() const;
  [[nodiscard]] bool may_skip();
  step skip();
  bool receive_some();
  [[nodiscard]] net::deadline body_deadline() const;
  [[nodiscard]] bool body_unread() const noexcept;
  /// Whether the client holds its body back until it is told to go on.
  [[nodiscard]] bool owes_continue() const noexcept;

  void finish_request();
  void begin_next();
  void wait_for_next();
  void forget_output();
  [[nodiscard]] bool more_received();
  void reset();

  net::connection client_;
  const std::string peer_;
  const net::address_set* proxies_;
  handler& handler_;
  const limits& limits_;
  parser parser_;
  request request_;
  input_buffer in_;
  std::string out_;
  std::shared_ptr<const std::string> shared_;  ///< goes behind out_; null when there is none
  std::size_t out_sent_ = 0;                   ///< of both
  ending ending_ = ending::keep;
  parser::phase phase_ = parser::phase::start;  ///< the one that deadline_ belongs to
  net::deadline deadline_;                      ///< of what is being read
  net::watchdog watchdog_;
  bool first_ = true;  ///< no request has been answered yet
  bool beginning_ = false;
  bool reading_ = false;
  bool expired_ = false;
  bool draining_ = false;
  bool continue_said_ = false;

  /// What a handler has asked for of a body.
  enum class body_use : std::uint8_t { none, whole, pieces };

  // Of a request's body.
  body_use use_ = body_use::none;
  bool skips_ = false;      ///< it is read after its request has been answered, for the next one's sake
  bool body_late_ = false;  ///< it was waited for
  body_state body_ = body_state::none;
  bool waits_for_body_ = false;
  bool unread_ = false;  ///< the last one was not read to its end
  rejection body_failure_;
  std::size_t body_bytes_ = 0;
  std::chrono::steady_clock::duration body_waited_{};  ///< for the client, in all
  net::deadline stop_at_ = net::deadline::max();       ///< no more is taken from then on
};

}  // namespace coffer::http
