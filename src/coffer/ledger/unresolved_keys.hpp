// Keys under which something may yet turn out to have been decided. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "coffer/domain/key_place.hpp"

namespace coffer::ledger {

/// Keys of commands that were answered outcome_unknown, by their users, until it is certain that no transaction works
/// for them any more. Bounded: the oldest makes room.
class unresolved_keys {
 public:
  /// `limit`: keys, at least 1.
  explicit unresolved_keys(std::size_t limit) : limit_{limit} {}

  /// Adds a key; false when an older one was forgotten for it.
  bool add(const domain::key_place& place);

  /// Whoever has locked the user's row knows from the journal what became of all the keys, and once that is committed,
  /// it is where standbys must have it.
  void settle(user_id user);

  [[nodiscard]] bool holds(const domain::key_place& place) const;
  [[nodiscard]] std::size_t size() const noexcept { return since_.size(); }

 private:
  /// A key_place that owns its text.
  using owned_place = std::tuple<user_id, bool, std::string>;

  static owned_place own(const domain::key_place& place) {
    return {place.user, place.by_player, std::string{place.key}};
  }

  std::size_t limit_;
  std::uint64_t next_ = 0;
  std::map<owned_place, std::uint64_t> since_;  ///< when they were added, counted
};

inline bool unresolved_keys::add(const domain::key_place& place) {
  since_.insert_or_assign(own(place), next_++);
  if (since_.size() <= limit_) {
    return true;
  }
  since_.erase(std::ranges::min_element(since_, {}, [](const auto& entry) { return entry.second; }));
  return false;
}

inline void unresolved_keys::settle(user_id user) {
  auto at = since_.lower_bound(owned_place{user, false, std::string{}});
  while (at != since_.end() && std::get<user_id>(at->first) == user) {
    at = since_.erase(at);
  }
}

inline bool unresolved_keys::holds(const domain::key_place& place) const {
  return !since_.empty() && since_.contains(own(place));
}

}  // namespace coffer::ledger
