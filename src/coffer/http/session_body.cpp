// The part of a session that reads bodies.
#include <algorithm>

#include "coffer/http/http_metrics.hpp"
#include "coffer/http/session.hpp"

namespace coffer::http {

namespace {

using clock = std::chrono::steady_clock;

rejection gone() { return rejection{400, errc::malformed_request, "The body ended before its end."}; }

}  // namespace

void session::begin_body() {
  body_ = body_state::open;
  use_ = body_use::none;
  body_late_ = false;
  body_bytes_ = 0;
  body_waited_ = {};
  stop_at_ = draining_ ? net::deadline_in(limits_.drain_grace) : net::deadline::max();
  request_.stream = this;
}

void session::fail_body(rejection why) {
  body_ = body_state::failed;
  body_failure_ = std::move(why);
}

/// It is the client's fault.
void session::refuse_body(const rejection& why) {
  http_metrics::count_rejection(why.code);
  fail_body(why);
}

bool session::body_unread() const noexcept { return body_ != body_state::none && body_ != body_state::whole; }

bool session::owes_continue() const noexcept {
  return !continue_said_ && body_bytes_ == 0 && request_.body.empty() && in_.empty() && body_ == body_state::open &&
         parser_.expects_continue();
}

/// Whether what is left of a body that nobody asked for can be read for the sake of the next request: it is small, and
/// the client does not wait to be told to send it.
bool session::may_skip() {
  return body_ == body_state::open && use_ == body_use::none && !parser_.expects_continue() &&
         !parser_.limit_to_whole();
}

/// Reads what has arrived of a body whose request has been answered.
session::step session::skip() {
  if (in_.empty()) {
    return step::read;
  }
  const parser::step parsed = parser_.feed(in_.view(), request_);
  request_.body.clear();
  if (parsed.result == parser::status::rejected) {
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
void session::read_body() {
  const parser::step parsed = parser_.feed(in_.view(), request_);
  if (parsed.result == parser::status::rejected) {
    refuse_body(parser_.refusal());
  } else {
    in_.consume(parsed.consumed);
    body_ = parsed.result == parser::status::complete ? body_state::whole : body_state::open;
  }
}

body_stream::status session::collect() {
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
  if (body_ == body_state::whole && body_late_) {
    // The time of the request begins when all of it is there.
    request_.received = clock::now();
    request_.deadline = request_.received + limits_.request_time;
  }
  return body_status();
}

body_stream::status session::take(std::string& piece) {
  piece.clear();
  COFFER_ASSERT(body_ != body_state::none && use_ != body_use::whole);
  use_ = body_use::pieces;
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
    read_body();
    if (!request_.body.empty()) {
      std::swap(piece, request_.body);
      body_bytes_ += piece.size();
      return status::data;
    }
  }
  return body_status();
}

body_stream::status session::body_status() const {
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
    fail_body(gone());
  }
  return true;
}

/// The time until which the client may be waited for: it may not be silent for long, nor slow for ever.
net::deadline session::body_deadline() const {
  if (use_ == body_use::whole) {
    return deadline_;
  }
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
      fail_body(gone());
      co_return;
    }
  }
  const auto began = clock::now();
  deadline_ = body_deadline();
  watch(deadline_);
  body_late_ = true;
  waits_for_body_ = true;
  const auto [failed] = co_await client_.wait_for_input();
  waits_for_body_ = false;
  watchdog_.disarm();
  body_waited_ += clock::now() - began;
  if (!failed || body_ != body_state::open) {
    co_return;
  }
  const bool whole = use_ == body_use::whole;
  if (expired_ && !whole && clock::now() >= stop_at_) {
    body_ = body_state::stopped;
  } else if (expired_) {
    (whole ? http_metrics::get().timeout_body : http_metrics::get().timeout_stream).add();
    fail_body(rejection{408, errc::request_timeout, "The body of the request did not arrive in time."});
  } else {
    fail_body(gone());
  }
}

const rejection& session::failure() const {
  COFFER_ASSERT(body_ == body_state::failed);
  return body_failure_;
}

}  // namespace coffer::http
