// The users of whom the cache may hold something old, because an invalidation was lost. Pure: time is passed in.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "coffer/base/ids.hpp"

namespace coffer::cache {

/// Remembers a bounded number of users, each for a fixed time; when there is no room for another, everybody counts as
/// remembered for that time.
class bypass_set {
 public:
  using time = std::chrono::steady_clock::time_point;
  /// A place in the order of events.
  using mark = std::uint64_t;

  bypass_set(std::size_t limit, std::chrono::milliseconds keep) : limit_{limit}, keep_{keep} {}

  /// An invalidation of `user` was lost.
  void add(user_id user, time now) {
    purge(now);
    const auto known = index_.find(user);
    if (known != index_.end()) {
      entries_.erase(known->second);
    } else if (index_.size() >= limit_) {
      everybody_until_ = now + keep_;
      everybody_since_ = ++clock_;
      return;
    }
    entries_.emplace_back(user, now + keep_, ++clock_);
    index_[user] = std::prev(entries_.end());
  }

  [[nodiscard]] bool contains(user_id user, time now) {
    purge(now);
    return everybody(now) || (!index_.empty() && index_.contains(user));
  }

  /// Whether the set overflowed less than the time to keep ago.
  [[nodiscard]] bool everybody(time now) const { return now < everybody_until_; }

  /// Taken when an invalidation is sent, and given to forgive() when it turns out to have succeeded.
  [[nodiscard]] mark now_mark() { return ++clock_; }

  /// Forgets `user`, unless a loss was noted after `upto`.
  void forgive(user_id user, mark upto) {
    const auto known = index_.find(user);
    if (known != index_.end() && known->second->noted < upto) {
      entries_.erase(known->second);
      index_.erase(known);
    }
  }

  /// Forgets everything noted before `upto`.
  void forgive_all(mark upto) {
    while (!entries_.empty() && entries_.front().noted < upto) {
      drop_first();
    }
    if (everybody_since_ < upto) {
      everybody_until_ = time{};
    }
  }

  /// Up to `count` users, those first who have been here longest.
  [[nodiscard]] std::vector<user_id> oldest(std::size_t count) const {
    std::vector<user_id> users;
    for (auto e = entries_.begin(); e != entries_.end() && users.size() < count; ++e) {
      users.push_back(e->user);
    }
    return users;
  }

  [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }
  [[nodiscard]] bool empty(time now) {
    purge(now);
    return index_.empty() && !everybody(now);
  }

 private:
  struct entry {
    entry(user_id u, time t, mark m) : user{u}, expires{t}, noted{m} {}
    user_id user;
    time expires;
    mark noted;
  };

  void purge(time now) {
    while (!entries_.empty() && entries_.front().expires <= now) {
      drop_first();
    }
  }
  void drop_first() {
    index_.erase(entries_.front().user);
    entries_.pop_front();
  }

  std::size_t limit_;
  std::chrono::milliseconds keep_;
  std::list<entry> entries_;  ///< in the order of both expiry and note
  std::unordered_map<user_id, std::list<entry>::iterator> index_;
  mark clock_ = 0;
  time everybody_until_{};
  mark everybody_since_ = 0;
};

}  // namespace coffer::cache
