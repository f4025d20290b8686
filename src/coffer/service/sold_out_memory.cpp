#include "coffer/service/sold_out_memory.hpp"

namespace coffer::service {

bool sold_out_memory::contains(product_id product, clock::time_point now) const {
  if (size_ == 0) {
    return false;
  }
  const std::scoped_lock lock{mutex_};
  const auto found = until_.find(product);
  return found != until_.end() && now < found->second;
}

void sold_out_memory::remember(product_id product, std::uint64_t seen, clock::time_point now) {
  const std::scoped_lock lock{mutex_};
  if (changes_ != seen) {
    return;
  }
  if (until_.size() >= capacity) {
    std::erase_if(until_, [now](const auto& entry) { return entry.second <= now; });
  }
  if (until_.size() < capacity) {
    until_.insert_or_assign(product, now + validity);
  }
  size_ = until_.size();
}

void sold_out_memory::forget(product_id product) {
  const std::scoped_lock lock{mutex_};
  ++changes_;
  until_.erase(product);
  size_ = until_.size();
}

}  // namespace coffer::service
