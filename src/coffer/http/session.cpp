#include "coffer/http/session.hpp"

#include <algorithm>

#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/http/request_id.hpp"

namespace coffer::http {

namespace {

using clock = std::chrono::steady_clock;

/// What one read takes at most.
constexpr std::size_t read_size = 16 * 1024;
/// What a client may still send while its last answer is on the way.
constexpr std::size_t linger_bytes = 256 * 1024;

void count_timeout(std::string_view kind) {
  metrics::make_counter("coffer_http_timeouts_total", "Connections ended for waiting too long, by what was waited for",
                        {{"kind", std::string{kind}}})
      .add();
}

void count_rejection(errc code) {
  metrics::make_counter("coffer_http_rejected_total", "Requests refused before routing, by code",
                        {{"code", std::string{to_string(code)}}})
      .add();
}

}  // namespace

session::session(net::tcp_socket socket, std::string peer, handler& requests, const limits& l)
    : socket_{std::move(socket)},
      handler_{requests},
      limits_{l},
      parser_{l},
      watchdog_{socket_.get_executor(), [this] { expire(); }},
      phase_began_{clock::now()} {
  request_.peer = std::move(peer);
  scratch_.resize(read_size);
}

net::task<> session::run() {
  const auto self = shared_from_this();
  asio::error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
  for (;;) {
    const outcome got = co_await receive();
    if (got == outcome::ended) {
      break;
    }
    if (got == outcome::rejected) {
      co_await refuse(parser_.refusal());
      break;
    }
    if (!co_await answer()) {
      break;
    }
  }
  watchdog_.disarm();
  socket_.close(ignored);
}

void session::drain() {
  draining_ = true;
  if (waiting_idle_) {
    watchdog_.arm(net::deadline_in(limits_.drain_grace));
  }
}

void session::cut() { reset_connection(); }

net::deadline session::reading_deadline() const {
  switch (phase_) {
    case parser::phase::start:
      return phase_began_ + (draining_ ? limits_.drain_grace : limits_.idle_time);
    case parser::phase::head:
      return phase_began_ + limits_.header_time;
    case parser::phase::body:
    case parser::phase::done:
      break;
  }
  return phase_began_ + limits_.body_time;
}

/// Arms the deadline of the phase the parser is in; a phase's clock starts when it is entered.
void session::arm_reading() {
  parser::phase now = parser_.where();
  if (now == parser::phase::start && in_.size() > in_used_) {
    now = parser::phase::head;
  }
  if (now != phase_) {
    phase_ = now;
    phase_began_ = clock::now();
  }
  waiting_idle_ = phase_ == parser::phase::start;
  watchdog_.arm(reading_deadline());
}

void session::expire() {
  expired_ = true;
  asio::error_code ignored;
  socket_.cancel(ignored);
}

void session::reset_connection() {
  asio::error_code ignored;
  socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
  socket_.close(ignored);
}

/// Appends what the socket has; false at its end, on errors and when a deadline has passed.
net::task<bool> session::read_some() {
  const auto [failed, size] = co_await socket_.async_read_some(asio::buffer(scratch_), net::as_tuple);
  waiting_idle_ = false;
  if (failed) {
    co_return false;
  }
  if (in_used_ > 0) {
    in_.erase(0, in_used_);
    in_used_ = 0;
  }
  in_.append(scratch_, 0, size);
  co_return true;
}

/// Gets the next request out of what was received, and receives more as long as it is incomplete.
net::task<session::outcome> session::receive() {
  request_.clear();
  phase_ = parser::phase::start;
  phase_began_ = clock::now();
  continue_sent_ = false;
  expired_ = false;
  for (;;) {
    if (in_.size() > in_used_) {
      const parser::step step = parser_.feed(std::string_view{in_}.substr(in_used_), request_);
      in_used_ += step.consumed;
      if (step.result == parser::status::complete) {
        co_return outcome::request;
      }
      if (step.result == parser::status::rejected) {
        co_return outcome::rejected;
      }
      if (parser_.where() == parser::phase::body && parser_.expects_continue() && !continue_sent_) {
        continue_sent_ = true;
        if (!co_await write("HTTP/1.1 100 Continue\r\n\r\n")) {
          co_return outcome::ended;
        }
      }
    }
    arm_reading();
    if (!co_await read_some()) {
      break;
    }
  }
  if (expired_ && phase_ != parser::phase::start) {
    const bool head = phase_ == parser::phase::head;
    count_timeout(head ? "headers" : "body");
    const rejection late{408, errc::request_timeout,
                         head ? "The headers did not arrive in time." : "The body did not arrive in time."};
    co_await refuse(late);
  } else if (expired_) {
    count_timeout("idle");
  }
  co_return outcome::ended;
}

net::task<response> session::call_handler() {
  std::string failure;
  try {
    co_return co_await handler_.handle(request_);
  } catch (const std::exception& e) {
    failure = e.what();
  } catch (...) {
    failure = "unknown exception";
  }
  log::error("handler failed", {{"request_id", request_.request_id}, {"message", std::string_view{failure}}});
  const rejection broken{500, errc::internal, ""};
  response answer = handler_.reject(broken, request_);
  answer.close = true;
  co_return answer;
}

/// Has the current request answered; false when the connection ends with it.
net::task<bool> session::answer() {
  request_.received = clock::now();
  request_.deadline = request_.received + limits_.request_time;
  if (request_.request_id.empty()) {
    append_request_id(request_.request_id);
  }
  watchdog_.disarm();
  const response made = co_await call_handler();
  const bool close = made.close || draining_ || !request_.keep_alive;
  serialise_options how;
  how.request_id = request_.request_id;
  how.head_only = request_.verb == method::head;
  how.close = close;
  how.http_1_0 = request_.minor_version == 0;
  out_.clear();
  serialise(made, how, out_);
  if (!co_await write(out_)) {
    co_return false;
  }
  if (close) {
    co_await linger();
    co_return false;
  }
  parser_.next();
  co_return true;
}

/// Answers a request that cannot be served and ends the connection.
net::task<> session::refuse(const rejection& why) {
  count_rejection(why.code);
  request_.received = clock::now();
  if (request_.request_id.empty()) {
    append_request_id(request_.request_id);
  }
  const response made = handler_.reject(why, request_);
  serialise_options how;
  how.request_id = request_.request_id;
  how.head_only = request_.verb == method::head;
  how.close = true;
  out_.clear();
  serialise(made, how, out_);
  expired_ = false;
  if (co_await write(out_)) {
    co_await linger();
  }
}

/// Writes everything; the socket is tried first and only then waited for. False when the client is gone or makes no
/// progress.
net::task<bool> session::write(std::string_view bytes) {
  while (!bytes.empty()) {
    asio::error_code failed;
    const std::size_t size = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), failed);
    bytes.remove_prefix(size);
    if (failed == asio::error::would_block || failed == asio::error::try_again) {
      expired_ = false;
      watchdog_.arm(net::deadline_in(limits_.write_time));
      const auto [ended] = co_await socket_.async_wait(net::tcp_socket::wait_write, net::as_tuple);
      if (ended) {
        if (expired_) {
          count_timeout("write");
          reset_connection();
        }
        co_return false;
      }
    } else if (failed) {
      co_return false;
    }
  }
  watchdog_.disarm();
  co_return true;
}

/// Lets the client read its last answer before the connection is torn down: a close with unread input would be a reset
/// that can overtake the answer (RFC 9112 section 9.6).
net::task<> session::linger() {
  asio::error_code failed;
  socket_.shutdown(net::tcp_socket::shutdown_send, failed);
  if (failed) {
    co_return;
  }
  watchdog_.arm(net::deadline_in(limits_.linger_time));
  for (std::size_t total = 0; total < linger_bytes;) {
    const auto [ended, size] = co_await socket_.async_read_some(asio::buffer(scratch_), net::as_tuple);
    if (ended) {
      co_return;
    }
    total += size;
  }
}

}  // namespace coffer::http
