#include "coffer/ledger/doubt_list.hpp"

#include <algorithm>

namespace coffer::ledger {

bool doubt_list::add(const domain::key_place& place) {
  since_.insert_or_assign(own(place), next_++);
  if (since_.size() <= limit_) {
    return true;
  }
  since_.erase(std::ranges::min_element(since_, {}, [](const auto& entry) { return entry.second; }));
  return false;
}

void doubt_list::settle(user_id user) {
  auto at = since_.lower_bound(owned_place{user, false, std::string{}});
  while (at != since_.end() && std::get<user_id>(at->first) == user) {
    at = since_.erase(at);
  }
}

bool doubt_list::holds(const domain::key_place& place) const { return !since_.empty() && since_.contains(own(place)); }

}  // namespace coffer::ledger
