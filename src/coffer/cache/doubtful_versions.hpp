// The users of whom a commit is in doubt: it may have happened, or may yet happen. Pure: time is passed in.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

#include "coffer/base/ids.hpp"

namespace coffer::cache {

/// Remembers a bounded number of users, each with the version that the commit in doubt would give it, until the doubt
/// has ended or for a long time; says whose fences are to be set anew. When there is no room for another user,
/// everybody counts as doubtful for as long as a fence lasts.
class doubtful_versions {
 public:
  using time = std::chrono::steady_clock::time_point;

  /// A fence lasts for `fence_ttl`, and is set anew when half of that has passed.
  doubtful_versions(std::size_t limit, std::chrono::milliseconds keep, std::chrono::milliseconds fence_ttl)
      : limit_{limit}, keep_{keep}, fence_ttl_{fence_ttl} {}

  /// A commit that would give `user` the version `at` is in doubt from now on; its fence is being set.
  void add(user_id user, version at, time now) {
    const auto known = index_.find(user);
    if (known != index_.end()) {
      at = std::max(at, known->second->at);
      entries_.erase(known->second);
    } else if (index_.size() >= limit_) {
      everybody_until_ = now + fence_ttl_;
      return;
    }
    entries_.emplace_back(user, at, now + keep_, now + fence_ttl_ / 2);
    index_[user] = std::prev(entries_.end());
  }

  /// The doubt about `user` has ended.
  void settle(user_id user) {
    if (const auto known = index_.find(user); known != index_.end()) {
      entries_.erase(known->second);
      index_.erase(known);
    }
  }

  /// `user` at version `stored` stands in the cache. A commit holds its users' rows locked until it has ended, so that
  /// nobody reaches its version before: the doubt has ended, and what was older is not in the cache any more. To have
  /// seen that version in the database would not do, as the fence may not have been set.
  void note(user_id user, version stored) {
    if (index_.empty()) {
      return;
    }
    if (const auto known = index_.find(user); known != index_.end() && stored >= known->second->at) {
      settle(user);
    }
  }

  /// Whether an inventory of `user` at version `at` may be older than a commit that was in doubt.
  [[nodiscard]] bool forbids(user_id user, version at) const {
    if (index_.empty()) {
      return false;
    }
    const auto known = index_.find(user);
    return known != index_.end() && at < known->second->at;
  }

  /// Whether there was no room less than the life of a fence ago.
  [[nodiscard]] bool everybody(time now) const { return now < everybody_until_; }

  /// Up to `count` users whose fences are to be set anew. They count as being set from now on.
  [[nodiscard]] std::vector<std::pair<user_id, version>> take_due(time now, std::size_t count) {
    std::vector<std::pair<user_id, version>> due;
    while (!entries_.empty() && entries_.front().fence_due <= now && due.size() < count) {
      const auto first = entries_.begin();
      if (first->ends <= now) {
        settle(first->user);
        continue;
      }
      due.emplace_back(first->user, first->at);
      first->fence_due = now + fence_ttl_ / 2;
      entries_.splice(entries_.end(), entries_, first);
    }
    return due;
  }

  /// Whether take_due() would give any.
  [[nodiscard]] bool has_due(time now) const { return !entries_.empty() && entries_.front().fence_due <= now; }

  /// The fence of `user` could not be set: it is due at once. False when nothing is known of a doubt.
  bool fence_failed(user_id user) {
    const auto known = index_.find(user);
    if (known == index_.end()) {
      return false;
    }
    known->second->fence_due = time{};
    entries_.splice(entries_.begin(), entries_, known->second);
    return true;
  }

  [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }

 private:
  struct entry {
    entry(user_id u, version v, time e, time d) : user{u}, at{v}, ends{e}, fence_due{d} {}
    user_id user;
    version at;
    time ends;
    time fence_due;
  };

  std::size_t limit_;
  std::chrono::milliseconds keep_;
  std::chrono::milliseconds fence_ttl_;
  std::list<entry> entries_;  ///< in the order of fence_due
  std::unordered_map<user_id, std::list<entry>::iterator> index_;
  time everybody_until_{};
};

}  // namespace coffer::cache
