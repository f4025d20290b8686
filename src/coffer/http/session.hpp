// One connection: reads requests, has them answered one at a time, writes the answers. Knows no server.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "coffer/base/assert.hpp"
#include "coffer/base/exception.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/text.hpp"
#include "coffer/http/body_source.hpp"
#include "coffer/http/body_stream.hpp"
#include "coffer/http/handler.hpp"
#include "coffer/http/http_metrics.hpp"
#include "coffer/http/input_buffer.hpp"
#include "coffer/http/limits.hpp"
#include "coffer/http/parser.hpp"
#include "coffer/http/request_id.hpp"
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
  void cut() { reset(); }

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
  [[nodiscard]] bool body_unread() const noexcept { return body_ != body_state::none && body_ != body_state::whole; }
  /// Whether the client holds its body back until it is told to go on.
  [[nodiscard]] bool owes_continue() const noexcept;

  void finish_request();
  void give_body_up();
  void begin_next();
  void wait_for_next() { deadline_ = net::deadline_in(draining_ ? limits_.drain_grace : limits_.idle_time); }
  void forget_output();
  [[nodiscard]] bool more_received() { return !in_.empty() || client_.has_input(); }
  void reset() { client_.reset(); }

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

namespace detail {

using clock = std::chrono::steady_clock;

/// The most that is read ahead; a head at its limits must fit.
inline std::size_t buffer_limit(const limits& l) { return std::max(l.pipelined, l.request_line + l.header_block + 2); }

}  // namespace detail

inline session::session(net::connection client, std::string peer, handler& requests, const limits& l,
                        const net::address_set* proxies)
    : client_{std::move(client)},
      peer_{std::move(peer)},
      proxies_{proxies},
      handler_{requests},
      limits_{l},
      parser_{l, parser::bodies::in_pieces},
      in_{detail::buffer_limit(l)},
      deadline_{net::deadline_in(l.header_time)},
      watchdog_{client_.get_executor(), [this] {
                  expired_ = true;
                  client_.cancel();
                }} {
  request_.peer = peer_;
}

inline net::task<> session::run() {
  if (draining_) {
    deadline_ = std::min(deadline_, net::deadline_in(limits_.drain_grace));
  }
  if (client_.secured()) {
    const bool begun = co_await begin();
    if (!begun) {
      co_return;
    }
  }
  while (ending_ == ending::keep) {
    std::shared_ptr<body_source> source;
    const step todo = next_step();
    if (todo == step::read) {
      watch(deadline_);
      reading_ = true;
      const auto room = in_.prepare();
      COFFER_ASSERT(!room.empty());
      const auto [failed, size] = co_await client_.read_some(room);
      reading_ = false;
      watchdog_.disarm();
      if (received(failed, size)) {
        continue;
      }
      if (out_.empty()) {
        co_return;
      }
    } else if (todo == step::end) {
      ending_ = ending::linger;
      break;
    } else if (todo == step::refuse) {
      compose_refusal(parser_.refusal());
    } else {
      begin_answer();
      std::exception_ptr failure;
      response made;
      try {
        eventual_response given = handler_.handle(request_);
        if (response* const ready = std::get_if<response>(&given)) {
          made = std::move(*ready);
        } else {
          made = co_await std::get<net::task<response>>(std::move(given));
        }
      } catch (...) {
        failure = std::current_exception();
      }
      if (failure) {
        made = handler_failed(failure);
      }
      compose(made);
      if (made.source && request_.verb != method::head) {
        source = std::move(made.source);
      } else {
        finish_request();
      }
    }
    if (source) {
      if (!co_await stream(std::move(source))) {
        co_return;
      }
      if (body_unread()) {
        ending_ = ending::linger;
      }
      finish_request();
    } else {
      sent outcome = send();
      if (outcome == sent::some) {
        outcome = co_await send_rest() ? sent::all : sent::failed;
        if (parser_.where() == parser::phase::start) {
          wait_for_next();  // the client is idle from now on, and not while it was taking its answer
        }
      }
      if (outcome == sent::failed) {
        co_return;
      }
    }
    forget_output();
  }
  if (ending_ == ending::linger) {
    co_await linger();
  }
}

/// Shakes hands within the time of the first request's head. False when there is nobody to answer to.
inline net::task<bool> session::begin() {
  watch(deadline_);
  beginning_ = true;
  const net::connection::beginning how = co_await client_.begin();
  beginning_ = false;
  watchdog_.disarm();
  const http_metrics& count = http_metrics::get();
  switch (how) {
    case net::connection::beginning::ready:
      count.handshakes_done.add();
      co_return true;
    case net::connection::beginning::plain:
      count.handshakes_plain.add();
      compose_refusal(rejection{400, errc::malformed_request, "TLS is spoken here: the URL must begin with https."});
      co_return co_await send_all();
    case net::connection::beginning::failed:
      break;
  }
  (expired_ ? count.handshakes_expired : count.handshakes_failed).add();
  const std::string_view why = expired_ ? "it took too long" : client_.failure();
  log::debug("handshake failed", {{"peer", std::string_view{peer_}}, {"message", why}});
  co_return false;
}

inline void session::watch(net::deadline until) {
  expired_ = false;
  watchdog_.arm(until);
}

/// Parses what has been received.
inline session::step session::next_step() {
  if (skips_) {
    return skip();
  }
  if (!in_.empty()) {
    const parser::step parsed = parser_.feed(in_.view(), request_);
    in_.consume(parsed.consumed);
    if (parsed.result == parser::status::complete) {
      return step::answer;
    }
    if (parsed.result == parser::status::body) {
      begin_body();
      return step::answer;
    }
    if (parsed.result == parser::status::rejected) {
      return step::refuse;
    }
  }
  watch_phase();
  return step::read;
}

/// Moves the deadline when the parser has entered another phase. Deadlines are absolute within a phase.
inline void session::watch_phase() {
  const parser::phase now = parser_.where();
  if (now == phase_) {
    return;
  }
  // The first request's head has to come within the time that began with the connection, unless draining cut that
  // short.
  const bool began_with_accept = now == parser::phase::head && first_ && !draining_;
  phase_ = now;
  if (!began_with_accept) {
    deadline_ = net::deadline_in(limits_.header_time);
  }
}

/// Takes what a read brought; false when there is nothing more to parse. Then out_ holds a last answer, or the
/// connection just ends.
inline bool session::received(const asio::error_code& failed, std::size_t size) {
  if (!failed) {
    in_.commit(size);
    return true;
  }
  return expired_ && expired_while_reading();
}

inline bool session::expired_while_reading() {
  const http_metrics& count = http_metrics::get();
  switch (parser_.where()) {
    case parser::phase::start:
      if (received_late()) {
        return true;
      }
      if (!draining_) {
        count.timeout_idle.add();
      }
      return false;
    case parser::phase::head:
      count.timeout_headers.add();
      compose_refusal(rejection{408, errc::request_timeout, "The head of the request did not arrive in time."});
      return false;
    case parser::phase::body:  // its request has been answered
    case parser::phase::done:
      break;
  }
  count.timeout_body.add();
  return false;
}

/// A request may have come between the deadline and now: it is not turned away.
inline bool session::received_late() {
  const auto room = in_.prepare();
  const net::io_result got = client_.try_read(room);
  if (got.status != net::io_status::moved) {
    return false;
  }
  in_.commit(got.size);
  return true;
}

inline void session::begin_answer() {
  request_.received = detail::clock::now();
  request_.deadline = request_.received + limits_.request_time;
  if (request_.request_id.empty()) {
    append_request_id(request_.request_id);
  }
  if (proxies_ != nullptr) {
    find_client();
  }
}

/// Takes the client's address from what the trusted proxy says.
inline void session::find_client() {
  const std::string forwarded = request_.list("X-Forwarded-For").value_or("");
  std::optional<std::string_view> unreadable;  // a part of `forwarded`
  request_.peer = net::client_of(peer_, forwarded, *proxies_, &unreadable);
  static std::atomic_flag told;
  if (unreadable && !told.test_and_set(std::memory_order_relaxed)) {
    log::warn("X-Forwarded-For holds what is no address; such requests count as the proxy's (told once)",
              {{"proxy", std::string_view{peer_}}, {"element", truncate(*unreadable, 64)}});
  }
}

inline response session::handler_failed(const std::exception_ptr& failure) {
  const std::string what = describe(failure);
  http_metrics::get().handler_failures.add();
  log::error("handler failed", {{"request_id", std::string_view{request_.request_id}},
                                {"method", to_string(request_.verb)},
                                {"path", request_.path()},
                                {"message", std::string_view{what}}});
  return handler_.reject(rejection{500, errc::internal, ""}, request_);
}

/// Puts the answer to the current request into out_ and decides how the connection goes on.
inline void session::compose(const response& made) {
  const bool streams = made.source && request_.verb != method::head;
  const bool last = made.close || !request_.keep_alive || (made.source && request_.minor_version == 0);
  skips_ = body_unread() && !streams && !last && !draining_ && may_skip();
  if (made.close || (draining_ && !more_received()) || (body_unread() && !streams && !skips_)) {
    ending_ = ending::linger;
  } else if (last) {
    ending_ = more_received() ? ending::linger : ending::close;
  }
  serialise_options how;
  how.request_id = request_.request_id;
  how.head_only = request_.verb == method::head;
  how.close = ending_ != ending::keep;
  how.http_1_0 = request_.minor_version == 0;
  serialise(made, how, out_);
  if (made.shared && !how.head_only && made.status != 304) {
    shared_ = made.shared;
  }
}

/// Puts the answer to what cannot be served into out_. It is the last one.
inline void session::compose_refusal(const rejection& why) {
  http_metrics::count_rejection(why.code);
  begin_answer();
  ending_ = ending::linger;
  serialise_options how;
  how.request_id = request_.request_id;
  how.head_only = request_.verb == method::head;
  how.close = true;
  serialise(handler_.reject(why, request_), how, out_);
}

/// The request has been answered.
inline void session::finish_request() {
  if (skips_) {
    request_.body.clear();
    deadline_ = net::deadline_in(limits_.body_time);
    return;
  }
  if (body_unread()) {
    give_body_up();
  }
  begin_next();
}

/// The rest of the body is not wanted: the connection ends when the client has had time to read its answer.
inline void session::give_body_up() {
  http_metrics::get().bodies_unread.add();
  unread_ = true;
}

/// Ready for the next request.
inline void session::begin_next() {
  request_.clear();
  if (request_.body.capacity() > kept_bytes) {
    std::string{}.swap(request_.body);  // assigning an empty one would keep the room
  }
  parser_.next();
  first_ = false;
  continue_said_ = false;
  body_ = body_state::none;
  skips_ = false;
  phase_ = parser::phase::start;
  wait_for_next();
}

inline void session::drain() {
  draining_ = true;
  if (skips_) {
    deadline_ = std::min(deadline_, net::deadline_in(limits_.drain_grace));
    if (reading_) {
      watchdog_.arm(deadline_);
    }
  } else if (body_ != body_state::none) {
    if (use_ == body_use::whole) {
      return;  // it is small, and limits::body_time ends it
    }
    stop_at_ = net::deadline_in(limits_.drain_grace);
    if (waits_for_body_) {
      watchdog_.arm(std::min(deadline_, stop_at_));
    }
  } else if (beginning_ || (reading_ && parser_.where() == parser::phase::start)) {
    deadline_ = std::min(deadline_, net::deadline_in(limits_.drain_grace));
    watchdog_.arm(deadline_);
  }
}

namespace detail {

inline rejection gone() { return rejection{400, errc::malformed_request, "The body ended before its end."}; }

}  // namespace detail

inline void session::begin_body() {
  body_ = body_state::open;
  use_ = body_use::none;
  body_late_ = false;
  body_bytes_ = 0;
  body_waited_ = {};
  stop_at_ = draining_ ? net::deadline_in(limits_.drain_grace) : net::deadline::max();
  request_.stream = this;
}

inline void session::fail_body(rejection why) {
  body_ = body_state::failed;
  body_failure_ = std::move(why);
}

/// It is the client's fault.
inline void session::refuse_body(const rejection& why) {
  http_metrics::count_rejection(why.code);
  fail_body(why);
}

inline bool session::owes_continue() const noexcept {
  return !continue_said_ && body_bytes_ == 0 && request_.body.empty() && in_.empty() && body_ == body_state::open &&
         parser_.expects_continue();
}

/// Whether what is left of a body that nobody asked for can be read for the sake of the next request: it is small, and
/// the client does not wait to be told to send it.
inline bool session::may_skip() {
  return body_ == body_state::open && use_ == body_use::none && !parser_.expects_continue() &&
         !parser_.limit_to_whole();
}

/// Reads what has arrived of a body whose request has been answered.
inline session::step session::skip() {
  if (in_.empty()) {
    return step::read;
  }
  const parser::step parsed = parser_.feed(in_.view(), request_);
  request_.body.clear();
  if (parsed.result == parser::status::rejected) {
    give_body_up();
    return step::end;
  }
  in_.consume(parsed.consumed);
  if (parsed.result != parser::status::complete) {
    return step::read;
  }
  begin_next();
  return next_step();
}

/// Parses what has been received of the body.
inline void session::read_body() {
  const parser::step parsed = parser_.feed(in_.view(), request_);
  if (parsed.result == parser::status::rejected) {
    refuse_body(parser_.refusal());
  } else {
    in_.consume(parsed.consumed);
    body_ = parsed.result == parser::status::complete ? body_state::whole : body_state::open;
  }
}

inline body_stream::status session::collect() {
  COFFER_ASSERT(body_ != body_state::none && use_ != body_use::pieces);
  if (use_ == body_use::none) {
    use_ = body_use::whole;
    deadline_ = net::deadline_in(limits_.body_time);
    if (const auto why = parser_.limit_to_whole()) {
      refuse_body(*why);
    }
  }
  while (body_ == body_state::open && (!in_.empty() || receive_some())) {
    if (body_ == body_state::open) {
      read_body();
    }
  }
  if (body_late_ && body_ != body_state::open) {
    // The time of the request begins when all of it is there, or it is clear that it never will be.
    request_.received = detail::clock::now();
    request_.deadline = request_.received + limits_.request_time;
  }
  return body_status();
}

inline body_stream::status session::take(std::string& piece) {
  piece.clear();
  COFFER_ASSERT(body_ != body_state::none && use_ != body_use::whole);
  use_ = body_use::pieces;
  if (body_ == body_state::open && detail::clock::now() >= stop_at_) {
    body_ = body_state::stopped;
  }
  while (body_ == body_state::open) {
    if (in_.empty() && !receive_some()) {
      break;
    }
    if (body_ != body_state::open) {
      break;
    }
    request_.body.clear();
    read_body();
    if (!request_.body.empty()) {
      std::swap(piece, request_.body);
      body_bytes_ += piece.size();
      return status::data;
    }
  }
  return body_status();
}

inline body_stream::status session::body_status() const {
  switch (body_) {
    case body_state::whole:
      return status::end;
    case body_state::stopped:
      return status::stopped;
    case body_state::failed:
      return status::failed;
    case body_state::none:
    case body_state::open:
      break;
  }
  return status::nothing;
}

/// Reads what has arrived into in_. False when nothing has; a connection that has ended makes the stream fail.
inline bool session::receive_some() {
  const auto room = in_.prepare();
  const net::io_result got = client_.try_read(room);
  if (got.status == net::io_status::waits) {
    return false;
  }
  if (got.status == net::io_status::moved) {
    in_.commit(got.size);
  } else {
    fail_body(detail::gone());
  }
  return true;
}

/// The time until which the client may be waited for: it may not be silent for long, nor slow for ever.
inline net::deadline session::body_deadline() const {
  if (use_ == body_use::whole) {
    return deadline_;
  }
  const auto earned = std::chrono::milliseconds{body_bytes_ * 1000 / limits_.stream_rate};
  const auto left =
      std::max<detail::clock::duration>(limits_.stream_grace + earned - body_waited_, detail::clock::duration::zero());
  return std::min(net::deadline_in(std::min<detail::clock::duration>(limits_.stream_idle, left)), stop_at_);
}

inline net::task<> session::wait() {
  if (body_ != body_state::open || !in_.empty()) {
    co_return;
  }
  if (owes_continue()) {
    COFFER_ASSERT(out_.empty());
    continue_said_ = true;
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!co_await send_all()) {
      fail_body(detail::gone());
      co_return;
    }
  }
  const auto began = detail::clock::now();
  deadline_ = body_deadline();
  watch(deadline_);
  body_late_ = true;
  waits_for_body_ = true;
  const auto [failed] = co_await client_.wait_for_input();
  waits_for_body_ = false;
  watchdog_.disarm();
  body_waited_ += detail::clock::now() - began;
  if (!failed || body_ != body_state::open) {
    co_return;
  }
  const bool whole = use_ == body_use::whole;
  if (expired_ && !whole && detail::clock::now() >= stop_at_) {
    body_ = body_state::stopped;
  } else if (expired_) {
    const rejection late{408, errc::request_timeout, "The body of the request did not arrive in time."};
    if (whole) {
      http_metrics::get().timeout_body.add();
      refuse_body(late);
    } else {
      http_metrics::get().timeout_stream.add();
      fail_body(late);
    }
  } else {
    fail_body(detail::gone());
  }
}

inline const rejection& session::failure() const {
  COFFER_ASSERT(body_ == body_state::failed);
  return body_failure_;
}

namespace detail {

/// Appends one chunk (RFC 9112 section 7.1); the empty one is the last.
inline void append_chunk(std::string& out, std::string_view piece) {
  out.append(fmt::format("{:x}\r\n", piece.size())).append(piece).append("\r\n");
}

}  // namespace detail

inline net::task<bool> session::stream(std::shared_ptr<body_source> source) {
  const bool chunked = request_.minor_version > 0;
  // Until there is a piece, the client may be told to go on with its upload.
  std::string head = std::exchange(out_, {});
  for (bool more = true; more;) {
    std::exception_ptr failure;
    std::string piece;
    try {
      piece = co_await source->next(net::deadline_in(limits_.request_time));
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      const std::string what = describe(failure);
      http_metrics::get().stream_failures.add();
      log::error("body ended too early", {{"request_id", std::string_view{request_.request_id}},
                                          {"path", request_.path()},
                                          {"message", std::string_view{what}}});
      reset();
      co_return false;
    }
    more = !piece.empty();
    out_ = std::exchange(head, {});
    if (chunked) {
      detail::append_chunk(out_, piece);
    } else {
      out_ += piece;
    }
    if (!co_await send_all()) {
      co_return false;
    }
  }
  co_return true;
}

namespace detail {

/// What a client may still send while it is to read its last answer: of a body that nobody wants to read, more.
inline constexpr std::size_t linger_bytes = 1024 * 1024;
inline constexpr std::size_t linger_stream_bytes = 32 * 1024 * 1024;

}  // namespace detail

/// Offers out_ and what is shared to the socket.
inline session::sent session::send() {
  const std::size_t all = out_.size() + (shared_ ? shared_->size() : 0);
  while (out_sent_ < all) {
    const std::string_view left = out_sent_ < out_.size() ? std::string_view{out_}.substr(out_sent_)
                                                          : std::string_view{*shared_}.substr(out_sent_ - out_.size());
    const net::io_result moved = client_.try_write(left);
    if (moved.status != net::io_status::moved) {
      return moved.status == net::io_status::waits ? sent::some : sent::failed;
    }
    out_sent_ += moved.size;
  }
  return sent::all;
}

/// Waits for the client to take the rest. False when it is gone, or took nothing for limits::write_time.
inline net::task<bool> session::send_rest() {
  watch(net::deadline_in(limits_.write_time));
  for (;;) {
    const std::size_t before = out_sent_;
    const sent outcome = send();
    if (outcome != sent::some) {
      watchdog_.disarm();
      co_return outcome == sent::all;
    }
    if (out_sent_ > before) {
      watch(net::deadline_in(limits_.write_time));
    }
    const auto [failed] = co_await client_.wait_for_room();
    if (expired_) {
      http_metrics::get().timeout_write.add();
      reset();
    }
    if (failed) {
      watchdog_.disarm();
      co_return false;
    }
  }
}

inline net::task<bool> session::send_all() {
  sent outcome = send();
  if (outcome == sent::some) {
    outcome = co_await send_rest() ? sent::all : sent::failed;
  }
  out_.clear();
  out_sent_ = 0;
  co_return outcome == sent::all;
}

/// What was in out_ has been sent. A connection that idles does not keep the room of a large answer.
inline void session::forget_output() {
  out_.clear();
  shared_.reset();
  out_sent_ = 0;
  if (out_.capacity() > kept_bytes) {
    std::string{}.swap(out_);
  }
}

/// Lets the client read its last answer: closing with unread input would be a reset, which can overtake the answer
/// (RFC 9112 section 9.6).
inline net::task<> session::linger() {
  asio::error_code failure;
  client_.finish();
  watch(net::deadline_in(limits_.linger_time));
  const std::size_t most = unread_ ? detail::linger_stream_bytes : detail::linger_bytes;
  std::size_t total = 0;
  while (!failure && !expired_ && total < most) {
    in_.consume(in_.view().size());
    const auto room = in_.prepare();
    const auto [failed, size] = co_await client_.discard_some(room);
    failure = failed;
    total += size;
  }
  watchdog_.disarm();
}

}  // namespace coffer::http
