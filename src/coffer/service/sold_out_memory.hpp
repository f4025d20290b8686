// Products of which nothing is left, remembered for a moment: a crowd before an empty shelf is turned away without a
// lane, a lock or a row.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "coffer/base/ids.hpp"

namespace coffer::service {

/// One for all threads of the process. Holds `capacity` products at most; what does not fit is not remembered.
class sold_out_memory {
 public:
  using clock = std::chrono::steady_clock;

  /// How long a product stays remembered: another process may restock it without this one hearing of it.
  static constexpr std::chrono::milliseconds validity{1000};
  static constexpr std::size_t capacity = 1024;

  /// Whether the product was seen without a piece left, within `validity` before `now`.
  [[nodiscard]] bool contains(product_id product, clock::time_point now) const;

  /// How often forget() was called. What is learnt from a purchase is only worth something while this stays what it
  /// was before the purchase was handed over.
  [[nodiscard]] std::uint64_t changes() const noexcept { return changes_; }

  /// Remembers the product, unless forget() was called since changes() was `seen`.
  void remember(product_id product, std::uint64_t seen, clock::time_point now);

  /// Forgets the product: it was changed or a piece came back. Call after the commit and before its answer.
  void forget(product_id product);

 private:
  struct hash {
    std::size_t operator()(product_id p) const noexcept { return std::hash<std::int64_t>{}(p.value); }
  };

  mutable std::mutex mutex_;
  std::unordered_map<product_id, clock::time_point, hash> until_;
  std::atomic<std::size_t> size_ = 0;  ///< of until_: while there is none, nobody locks
  std::atomic<std::uint64_t> changes_ = 0;
};

inline bool sold_out_memory::contains(product_id product, clock::time_point now) const {
  if (size_ == 0) {
    return false;
  }
  const std::scoped_lock lock{mutex_};
  const auto found = until_.find(product);
  return found != until_.end() && now < found->second;
}

inline void sold_out_memory::remember(product_id product, std::uint64_t seen, clock::time_point now) {
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

inline void sold_out_memory::forget(product_id product) {
  const std::scoped_lock lock{mutex_};
  ++changes_;
  until_.erase(product);
  size_ = until_.size();
}

}  // namespace coffer::service
