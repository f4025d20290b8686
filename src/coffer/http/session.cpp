#include "coffer/http/session.hpp"

#include <algorithm>
#include <atomic>

#include "coffer/base/exception.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/text.hpp"
#include "coffer/http/http_metrics.hpp"
#include "coffer/http/request_id.hpp"

namespace coffer::http {

namespace {

using clock = std::chrono::steady_clock;

/// The most that is read ahead; a head at its limits must fit.
std::size_t buffer_limit(const limits& l) { return std::max(l.pipelined, l.request_line + l.header_block + 2); }

}  // namespace

session::session(net::connection client, std::string peer, handler& requests, const limits& l,
                 const net::address_set* proxies)
    : client_{std::move(client)},
      peer_{std::move(peer)},
      proxies_{proxies},
      handler_{requests},
      limits_{l},
      parser_{l, parser::bodies::in_pieces},
      in_{buffer_limit(l)},
      deadline_{net::deadline_in(l.header_time)},
      watchdog_{client_.get_executor(), [this] {
                  expired_ = true;
                  client_.cancel();
                }} {
  request_.peer = peer_;
}

net::task<> session::run() {
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
net::task<bool> session::begin() {
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

void session::watch(net::deadline until) {
  expired_ = false;
  watchdog_.arm(until);
}

/// Parses what has been received.
session::step session::next_step() {
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
void session::watch_phase() {
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
bool session::received(const asio::error_code& failed, std::size_t size) {
  if (!failed) {
    in_.commit(size);
    return true;
  }
  return expired_ && expired_while_reading();
}

bool session::expired_while_reading() {
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
bool session::received_late() {
  const auto room = in_.prepare();
  const net::io_result got = client_.try_read(room);
  if (got.status != net::io_status::moved) {
    return false;
  }
  in_.commit(got.size);
  return true;
}

void session::begin_answer() {
  request_.received = clock::now();
  request_.deadline = request_.received + limits_.request_time;
  if (request_.request_id.empty()) {
    append_request_id(request_.request_id);
  }
  if (proxies_ != nullptr) {
    find_client();
  }
}

/// Takes the client's address from what the trusted proxy says.
void session::find_client() {
  const std::string forwarded = request_.list("X-Forwarded-For").value_or("");
  std::optional<std::string_view> unreadable;  // a part of `forwarded`
  request_.peer = net::client_of(peer_, forwarded, *proxies_, &unreadable);
  static std::atomic_flag told;
  if (unreadable && !told.test_and_set(std::memory_order_relaxed)) {
    log::warn("X-Forwarded-For holds what is no address; such requests count as the proxy's (told once)",
              {{"proxy", std::string_view{peer_}}, {"element", truncate(*unreadable, 64)}});
  }
}

response session::handler_failed(const std::exception_ptr& failure) {
  const std::string what = describe(failure);
  http_metrics::get().handler_failures.add();
  log::error("handler failed", {{"request_id", std::string_view{request_.request_id}},
                                {"method", to_string(request_.verb)},
                                {"path", request_.path()},
                                {"message", std::string_view{what}}});
  return handler_.reject(rejection{500, errc::internal, ""}, request_);
}

/// Puts the answer to the current request into out_ and decides how the connection goes on.
void session::compose(const response& made) {
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
void session::compose_refusal(const rejection& why) {
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
void session::finish_request() {
  if (skips_) {
    request_.body.clear();
    deadline_ = net::deadline_in(limits_.body_time);
    return;
  }
  if (body_unread()) {
    http_metrics::get().bodies_unread.add();
    unread_ = true;
  }
  begin_next();
}

/// Ready for the next request.
void session::begin_next() {
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

/// Begins the time within which the next request has to begin.
void session::wait_for_next() { deadline_ = net::deadline_in(draining_ ? limits_.drain_grace : limits_.idle_time); }

bool session::more_received() { return !in_.empty() || client_.has_input(); }

void session::drain() {
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

void session::cut() { reset(); }

void session::reset() { client_.reset(); }

}  // namespace coffer::http
