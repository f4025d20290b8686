// When to stop asking a server that does not answer. Pure: time is passed in.
#pragma once

#include <chrono>

namespace coffer::redis {

/// Closed lets everything through. A number of failures in a row opens it: nothing passes for a while. After that it is
/// half open: one probe passes, whose outcome closes or reopens it.
class breaker {
 public:
  using time = std::chrono::steady_clock::time_point;

  breaker(int failures, std::chrono::milliseconds open_for) : limit_{failures}, open_for_{open_for} {}

  /// Whether one more command may be tried. True makes it the probe when the breaker is half open; a probe of which
  /// nothing is heard for as long as the breaker stays open makes room for another.
  bool admit(time now) {
    if (!open_) {
      return true;
    }
    if (now < until_) {
      return false;
    }
    until_ = now + open_for_;
    return true;
  }

  /// As admit(), without taking the probe's place.
  [[nodiscard]] bool would_admit(time now) const { return !open_ || now >= until_; }

  /// A command was answered.
  void succeeded() {
    failures_ = 0;
    open_ = false;
  }

  /// A command was not. True when this one opened the breaker, or opened it again.
  bool failed(time now) {
    ++failures_;
    if (!open_ && failures_ < limit_) {
      return false;
    }
    open_ = true;
    until_ = now + open_for_;
    return true;
  }

  [[nodiscard]] bool is_open() const { return open_; }

 private:
  int limit_;
  std::chrono::milliseconds open_for_;
  int failures_ = 0;
  bool open_ = false;
  time until_{};  ///< nothing passes before
};

}  // namespace coffer::redis
