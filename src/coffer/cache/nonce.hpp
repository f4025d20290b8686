// Texts that no other process, thread or run makes.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace coffer::cache {

/// 96 random bits, drawn once, and a counter. Unique, not secret.
class nonce_source {
 public:
  nonce_source() : start_{fmt::format("{:08x}{:08x}{:08x}", draw(), draw(), draw())} {}

  /// The next one, after `prefix`.
  std::string next(std::string_view prefix = {}) { return fmt::format("{}{}-{:x}", prefix, start_, ++count_); }

 private:
  static std::uint32_t draw() {
    static thread_local std::random_device device;
    return device();
  }

  std::string start_;
  std::uint64_t count_ = 0;
};

}  // namespace coffer::cache
