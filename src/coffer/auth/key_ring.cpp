#include "coffer/auth/key_ring.hpp"

namespace coffer::auth {

key_set::key_set(const std::vector<key_record>& records, const key_set& before) {
  keys_.reserve(records.size());
  for (const key_record& record : records) {
    const entry* const known = before.find(record.digest);
    auto use = known != nullptr ? known->use : std::make_shared<key_use>();
    keys_.emplace(record.digest, entry{record, std::move(use)});
  }
}

const key_set::entry* key_set::find(const sha256_digest& digest) const {
  const auto found = keys_.find(digest);
  return found == keys_.end() ? nullptr : &found->second;
}

std::vector<std::pair<std::int64_t, timestamp>> key_set::used_since(timestamp since) const {
  std::vector<std::pair<std::int64_t, timestamp>> uses;
  for (const auto& [digest, each] : keys_) {
    const auto at = each.use->at();
    if (at && *at > since) {
      uses.emplace_back(each.key.id, *at);
    }
  }
  return uses;
}

key_ring::answer key_ring::find(const sha256_digest& digest, clock::time_point now) const {
  if (const key_set::entry* const shared = shared_->find(digest)) {
    return {shared, false};
  }
  if (const auto own = own_.find(digest); own != own_.end()) {
    return {&own->second, false};
  }
  const auto unknown = unknown_until_.find(digest);
  return {nullptr, unknown != unknown_until_.end() && now < unknown->second};
}

void key_ring::replace(std::shared_ptr<const key_set> with) {
  shared_ = std::move(with);
  own_.clear();
}

const key_set::entry* key_ring::remember(const key_record& found) {
  if (own_.size() >= capacity) {
    own_.clear();
  }
  unknown_until_.erase(found.digest);
  return &own_.insert_or_assign(found.digest, key_set::entry{found, std::make_shared<key_use>()}).first->second;
}

void key_ring::remember_unknown(const sha256_digest& digest, clock::time_point now) {
  if (unknown_until_.size() >= capacity) {
    unknown_until_.clear();
  }
  unknown_until_.insert_or_assign(digest, now + unknown_for);
}

}  // namespace coffer::auth
