// The part of a session that reads a body while its request is answered.
#include <algorithm>

#include "coffer/http/http_metrics.hpp"
#include "coffer/http/session.hpp"

namespace coffer::http {

namespace {

using clock = std::chrono::steady_clock;

rejection gone() { return rejection{400, errc::malformed_request, "The body ended before its end."}; }

}  // namespace

void session::begin_stream() {
  body_ = body_state::open;
  body_bytes_ = 0;
  body_waited_ = {};
  stop_at_ = draining_ ? net::deadline_in(limits_.drain_grace) : net::deadline::max();
  request_.stream = this;
}

void session::fail_stream(rejection why) {
  body_ = body_state::failed;
  body_failure_ = std::move(why);
}

bool session::body_unread() const noexcept { return body_ != body_state::none && body_ != body_state::whole; }

bool session::owes_continue() const noexcept {
  return !continue_said_ && body_bytes_ == 0 && in_.empty() && body_ == body_state::open && parser_.expects_continue();
}

body_stream::status session::take(std::string& piece) {
  piece.clear();
  COFFER_ASSERT(body_ != body_state::none);
  if (body_ == body_state::open && clock::now() >= stop_at_) {
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
    const parser::step parsed = parser_.feed(in_.view(), request_);
    if (parsed.result == parser::status::rejected) {
      http_metrics::count_rejection(parser_.refusal().code);
      fail_stream(parser_.refusal());
    } else {
      in_.consume(parsed.consumed);
      body_ = parsed.result == parser::status::complete ? body_state::whole : body_state::open;
    }
    if (!request_.body.empty()) {
      std::swap(piece, request_.body);
      body_bytes_ += piece.size();
      return status::data;
    }
  }
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
bool session::receive_some() {
  const auto room = in_.prepare();
  const net::io_result got = client_.try_read(room);
  if (got.status == net::io_status::waits) {
    return false;
  }
  if (got.status == net::io_status::moved) {
    in_.commit(got.size);
  } else {
    fail_stream(gone());
  }
  return true;
}

/// The time until which the client may be waited for: it may not be silent for long, nor slow for ever.
net::deadline session::body_deadline() const {
  const auto earned = std::chrono::milliseconds{body_bytes_ * 1000 / limits_.stream_rate};
  const auto left = std::max<clock::duration>(limits_.stream_grace + earned - body_waited_, clock::duration::zero());
  return std::min(net::deadline_in(std::min<clock::duration>(limits_.stream_idle, left)), stop_at_);
}

net::task<> session::wait() {
  if (body_ != body_state::open || !in_.empty()) {
    co_return;
  }
  if (owes_continue()) {
    COFFER_ASSERT(out_.empty());
    continue_said_ = true;
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!co_await send_all()) {
      fail_stream(gone());
      co_return;
    }
  }
  const auto began = clock::now();
  deadline_ = body_deadline();
  watch(deadline_);
  waits_for_body_ = true;
  const auto [failed] = co_await client_.wait_for_input();
  waits_for_body_ = false;
  watchdog_.disarm();
  body_waited_ += clock::now() - began;
  if (!failed || body_ != body_state::open) {
    co_return;
  }
  if (expired_ && clock::now() >= stop_at_) {
    body_ = body_state::stopped;
  } else if (expired_) {
    http_metrics::get().timeout_stream.add();
    fail_stream(rejection{408, errc::request_timeout, "The body of the request did not arrive in time."});
  } else {
    fail_stream(gone());
  }
}

const rejection& session::failure() const {
  COFFER_ASSERT(body_ == body_state::failed);
  return body_failure_;
}

}  // namespace coffer::http
