// The commands that wait for replies, in the order in which the replies will come. Pure: time is passed in.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "coffer/base/assert.hpp"

namespace coffer::redis {

/// A command whose time is up is abandoned, not removed: it keeps its place until its reply has come, else the replies
/// would be one off. Times are given in rising order, so the abandoned ones stand first.
template <typename Callback>
class line {
 public:
  using time = std::chrono::steady_clock::time_point;

  void push(Callback done, time expires) {
    COFFER_ASSERT(waiting_.empty() || waiting_.back().expires <= expires);
    waiting_.emplace_back(std::move(done), expires);
  }

  /// What is to be told of the next reply: the callback of its command, or nullopt when that was abandoned. The line
  /// must not be empty.
  std::optional<Callback> take() {
    COFFER_ASSERT(!waiting_.empty());
    std::optional<Callback> done;
    if (abandoned_ > 0) {
      --abandoned_;
    } else {
      done.emplace(std::move(waiting_.front().done));
    }
    waiting_.pop_front();
    return done;
  }

  /// Abandons the first command when its time is up at `now`, and gives its callback. Call until nullopt.
  std::optional<Callback> expire(time now) {
    if (abandoned_ == waiting_.size() || waiting_[abandoned_].expires > now) {
      return std::nullopt;
    }
    return std::move(waiting_[abandoned_++].done);
  }

  /// When the next command's time is up.
  [[nodiscard]] std::optional<time> next_expiry() const {
    return abandoned_ == waiting_.size() ? std::nullopt : std::optional{waiting_[abandoned_].expires};
  }

  /// Empties the line and gives the callbacks of those that were not abandoned, in order.
  std::vector<Callback> clear() {
    std::vector<Callback> left;
    for (std::size_t i = abandoned_; i < waiting_.size(); ++i) {
      left.push_back(std::move(waiting_[i].done));
    }
    waiting_.clear();
    abandoned_ = 0;
    return left;
  }

  /// Places taken, abandoned ones included.
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }
  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }

 private:
  struct place {
    place(Callback d, time e) : done{std::move(d)}, expires{e} {}
    Callback done;
    time expires;
  };

  std::deque<place> waiting_;
  std::size_t abandoned_ = 0;
};

}  // namespace coffer::redis
