// Keys under which something may yet turn out to have been decided. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "coffer/base/ids.hpp"

namespace coffer::ledger {

/// Keys of commands that were answered outcome_unknown, by their users, until it is certain that no transaction works
/// for them any more. Bounded: the oldest makes room.
class doubt_list {
 public:
  /// `limit`: keys, at least 1.
  explicit doubt_list(std::size_t limit) : limit_{limit} {}

  /// Adds a key; false when an older one was forgotten for it.
  bool add(user_id user, std::string_view key);

  /// Whoever has locked the user's row knows from the journal what became of all the keys.
  void settle(user_id user);

  [[nodiscard]] bool holds(user_id user, std::string_view key) const;
  [[nodiscard]] std::size_t size() const noexcept { return since_.size(); }

 private:
  using place = std::pair<user_id, std::string>;

  std::size_t limit_;
  std::uint64_t next_ = 0;
  std::map<place, std::uint64_t> since_;  ///< when they were added, counted
};

}  // namespace coffer::ledger
