// The bytes that a connection has received and not yet parsed. Knows nothing of what they mean.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "coffer/base/assert.hpp"

namespace coffer::http {

/// A queue of bytes in one block of memory, which grows to a limit while a request does not fit and shrinks when empty.
class input_buffer {
 public:
  static constexpr std::size_t smallest = 4 * 1024;

  /// Never holds more than `most` bytes, which are at least `smallest`.
  explicit input_buffer(std::size_t most) : most_{std::max(most, smallest)} { allocate(smallest); }

  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::string_view view() const noexcept { return {memory_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  /// Room for bytes to come; moves what view() showed. Empty when the buffer is at its limit.
  [[nodiscard]] std::span<char> prepare() {
    if (empty()) {
      begin_ = end_ = 0;
      if (capacity_ > smallest) {
        allocate(smallest);
      }
    } else if (end_ == capacity_) {
      make_room();
    }
    return {memory_.get() + end_, capacity_ - end_};
  }

  /// `size` bytes have come to where prepare() said.
  void commit(std::size_t size) noexcept {
    COFFER_ASSERT(size <= capacity_ - end_);
    end_ += size;
  }

  /// Forgets `size` bytes at the front.
  void consume(std::size_t size) noexcept {
    COFFER_ASSERT(size <= end_ - begin_);
    begin_ += size;
  }

 private:
  void allocate(std::size_t size) {
    memory_ = std::make_unique_for_overwrite<char[]>(size);
    capacity_ = size;
  }

  /// Moves the bytes to the front, of a larger block when they fill this one.
  void make_room() {
    const std::size_t size = end_ - begin_;
    if (begin_ == 0 && capacity_ < most_) {
      const std::unique_ptr<char[]> old = std::move(memory_);
      allocate(std::min(capacity_ * 2, most_));
      std::memcpy(memory_.get(), old.get(), size);
    } else {
      std::memmove(memory_.get(), memory_.get() + begin_, size);
    }
    begin_ = 0;
    end_ = size;
  }

  std::size_t most_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::unique_ptr<char[]> memory_;
};

}  // namespace coffer::http
