// When something is to be said of the database: as it turns, not at every look at it. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace coffer::service {

/// Takes what each look found and how many attempts at the database failed since the look before. An outage has two
/// turns however long it is; attempts that fail while the looks succeed have two as well.
class database_turns {
 public:
  using clock = std::chrono::steady_clock;

  /// What has changed.
  enum class kind : std::uint8_t { nothing, serves, cannot_serve, attempts_fail, attempts_succeed };
  struct turn {
    kind what = kind::nothing;
    std::uint64_t failed = 0;   ///< attempts since the trouble began
    clock::duration lasted{0};  ///< the trouble that is over
  };

  /// After so long without a failed attempt they are said to succeed again.
  static constexpr std::chrono::seconds quiet{10};

  /// `obstacle`: a word for why the database cannot be served from, empty when it can. Another word is another turn.
  turn take(std::string_view obstacle, std::uint64_t failed, clock::time_point now) {
    failed_ += failed;
    if (!obstacle.empty()) {
      return take_obstacle(obstacle, now);
    }
    if (!known_ || !obstacle_.empty()) {
      const turn t{kind::serves, failed_, known_ ? now - since_ : clock::duration{0}};
      *this = database_turns{};
      known_ = true;
      return t;
    }
    if (failed > 0) {
      last_failed_ = now;
      if (failing_) {
        return {};
      }
      failing_ = true;
      since_ = now;
      return {kind::attempts_fail, failed_, {}};
    }
    if (failing_ && now - last_failed_ >= quiet) {
      const turn t{kind::attempts_succeed, failed_, last_failed_ - since_};
      *this = database_turns{};
      known_ = true;
      return t;
    }
    return {};
  }

 private:
  turn take_obstacle(std::string_view obstacle, clock::time_point now) {
    if (obstacle_.empty() && !failing_) {
      since_ = now;
    }
    known_ = true;
    failing_ = false;
    if (obstacle == obstacle_) {
      return {};
    }
    obstacle_ = obstacle;
    return {kind::cannot_serve, failed_, {}};
  }

  bool known_ = false;    ///< a look has been taken
  bool failing_ = false;  ///< attempts fail although looks succeed
  std::string obstacle_;
  std::uint64_t failed_ = 0;
  clock::time_point since_{};
  clock::time_point last_failed_{};
};

}  // namespace coffer::service
