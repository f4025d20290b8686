#include "coffer/ledger/doubt_list.hpp"

#include <algorithm>

namespace coffer::ledger {

bool doubt_list::add(user_id user, std::string_view key) {
  since_.insert_or_assign(place{user, key}, next_++);
  if (since_.size() <= limit_) {
    return true;
  }
  since_.erase(std::ranges::min_element(since_, {}, [](const auto& entry) { return entry.second; }));
  return false;
}

void doubt_list::settle(user_id user) {
  auto at = since_.lower_bound(place{user, std::string{}});
  while (at != since_.end() && at->first.first == user) {
    at = since_.erase(at);
  }
}

bool doubt_list::holds(user_id user, std::string_view key) const {
  return !since_.empty() && since_.contains(place{user, key});
}

}  // namespace coffer::ledger
