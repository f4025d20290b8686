// A deadline that moves often and expires seldom: one timer per object, re-armed lazily.
#pragma once

#include <functional>
#include <memory>

#include "coffer/net/task.hpp"

namespace coffer::net {

/// Calls back when the armed deadline passes. Arming a later deadline costs no timer operation: the running timer
/// looks at the newest deadline when it fires. All calls on the executor's thread. Safe to destroy while armed; the
/// callback is not called after disarm(), cancel() or destruction.
template <typename Timer>
class basic_watchdog {
 public:
  basic_watchdog(const executor& ex, std::function<void()> on_expiry)
      : state_{std::make_shared<state>(ex, std::move(on_expiry))} {}
  basic_watchdog(const basic_watchdog&) = delete;
  basic_watchdog& operator=(const basic_watchdog&) = delete;
  ~basic_watchdog() {
    state_->armed = false;
    state_->on_expiry = nullptr;
    state_->timer.cancel();
  }

  /// Replaces the deadline.
  void arm(deadline when) {
    state_->when = when;
    state_->armed = true;
    if (!state_->running || when < state_->timer.expiry()) {
      start(state_);
    }
  }

  void disarm() { state_->armed = false; }

  /// As disarm(), and ends the timer: nothing of it keeps a loop from running out of work.
  void cancel() {
    disarm();
    state_->timer.cancel();
  }

 private:
  /// Shared with the timer's handler, which may run once more when the watchdog is gone.
  struct state {
    state(const executor& ex, std::function<void()> callback) : timer{ex}, on_expiry{std::move(callback)} {}
    Timer timer;
    std::function<void()> on_expiry;
    deadline when{};
    bool armed = false;
    bool running = false;
    unsigned generation = 0;
  };

  static void start(const std::shared_ptr<state>& s) {
    s->running = true;
    const unsigned generation = ++s->generation;
    s->timer.expires_at(s->when);
    s->timer.async_wait([s, generation](asio::error_code) {
      if (generation != s->generation) {
        return;  // a newer wait has taken over
      }
      s->running = false;
      if (!s->armed) {
        return;
      }
      if (Timer::clock_type::now() < s->when) {
        start(s);
        return;
      }
      s->armed = false;
      if (s->on_expiry) {
        s->on_expiry();
      }
    });
  }

  std::shared_ptr<state> state_;
};

using watchdog = basic_watchdog<steady_timer>;

}  // namespace coffer::net
