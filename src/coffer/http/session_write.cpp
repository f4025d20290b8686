// The part of a session that writes: offers what is ready to the socket, waits for the client, and for its end.
#include "coffer/http/http_metrics.hpp"
#include "coffer/http/session.hpp"

namespace coffer::http {

namespace {

/// What a client may still send while it is to read its last answer: of a body that nobody wants to read, more.
constexpr std::size_t linger_bytes = 1024 * 1024;
constexpr std::size_t linger_stream_bytes = 32 * 1024 * 1024;

}  // namespace

/// Offers out_ and what is shared to the socket.
session::sent session::send() {
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
net::task<bool> session::send_rest() {
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

net::task<bool> session::send_all() {
  sent outcome = send();
  if (outcome == sent::some) {
    outcome = co_await send_rest() ? sent::all : sent::failed;
  }
  out_.clear();
  out_sent_ = 0;
  co_return outcome == sent::all;
}

/// What was in out_ has been sent. A connection that idles does not keep the room of a large answer.
void session::forget_output() {
  out_.clear();
  shared_.reset();
  out_sent_ = 0;
  if (out_.capacity() > kept_bytes) {
    std::string{}.swap(out_);
  }
}

/// Lets the client read its last answer: closing with unread input would be a reset, which can overtake the answer
/// (RFC 9112 section 9.6).
net::task<> session::linger() {
  asio::error_code failure;
  client_.finish();
  watch(net::deadline_in(limits_.linger_time));
  const std::size_t most = unread_ ? linger_stream_bytes : linger_bytes;
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
