// Virtual time: it stands still while anything is ready to run, and jumps to the next timer when nothing is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "coffer/base/assert.hpp"
#include "coffer/net/task.hpp"

namespace coffer::simulation {

using duration = std::chrono::steady_clock::duration;

/// What will happen, in order of time and, at one time, of arrival.
class timeline {
 public:
  using event = std::pair<net::deadline, std::uint64_t>;
  using callback = std::move_only_function<void()>;

  [[nodiscard]] net::deadline now() const { return now_; }

  /// Has `what` called at `when`; a time that has passed is now.
  event at(net::deadline when, callback what) {
    const event e{std::max(when, now_), next_++};
    events_.emplace(e, std::move(what));
    return e;
  }
  event in(duration wait, callback what) { return at(now_ + wait, std::move(what)); }

  void cancel(const event& e) { events_.erase(e); }

  /// Jumps to the next event and lets it happen; false when there is none.
  bool advance() {
    if (events_.empty()) {
      return false;
    }
    auto first = events_.extract(events_.begin());
    now_ = first.key().first;
    first.mapped()();
    return true;
  }

  /// The one of this thread's simulation.
  static timeline*& current() {
    thread_local timeline* one = nullptr;
    return one;
  }

 private:
  net::deadline now_ = net::deadline{} + std::chrono::hours{1};
  std::uint64_t next_ = 0;
  std::map<event, callback> events_;
};

/// The clock of the timeline. Its points are those of the monotonic clock, so that deadlines keep their type.
struct clock {
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr bool is_steady = true;
  static time_point now() { return timeline::current()->now(); }
};

/// asio's timer, as far as the lanes use it.
class timer {
 public:
  using clock_type = clock;
  using duration = clock::duration;

  explicit timer(net::executor ex) : executor_{std::move(ex)} {}
  timer(net::executor ex, duration wait) : executor_{std::move(ex)}, expiry_{clock::now() + wait} {}
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  ~timer() { cancel(); }

  void expires_at(net::deadline when) {
    cancel();
    expiry_ = when;
  }
  [[nodiscard]] net::deadline expiry() const { return expiry_; }

  void cancel() {
    if (waiting_) {
      timeline::current()->cancel(event_);
      asio::post(executor_, [h = std::exchange(waiting_, nullptr)]() mutable { h(asio::error::operation_aborted); });
    }
  }

  template <typename Token>
  auto async_wait(Token&& token) {
    auto start = [this](auto handler) {
      COFFER_ASSERT(!waiting_);
      waiting_ = [h = std::move(handler)](asio::error_code e) mutable { std::move(h)(e); };
      event_ = timeline::current()->at(expiry_, [this] { std::exchange(waiting_, nullptr)(asio::error_code{}); });
    };
    return asio::async_initiate<Token, void(asio::error_code)>(start, token);
  }

 private:
  net::executor executor_;
  net::deadline expiry_;
  timeline::event event_;
  std::move_only_function<void(asio::error_code)> waiting_;
};

}  // namespace coffer::simulation
