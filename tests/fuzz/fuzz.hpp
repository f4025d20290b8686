// What fuzz targets share. Each target is one function over bytes; it ends the process when something is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace coffer::fuzz {

/// Ends the process, and so keeps the input, when `holds` is false.
inline void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "fuzz: broken: %s\n", what);
    std::abort();
  }
}

/// The bytes as text.
inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Cuts bytes off the front of an input, for decisions.
class decisions {
 public:
  explicit decisions(std::string_view from) : left_{from} {}
  /// 0 at the end.
  std::uint8_t byte() {
    if (left_.empty()) {
      return 0;
    }
    const auto b = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return b;
  }
  [[nodiscard]] std::string_view rest() const { return left_; }

 private:
  std::string_view left_;
};

}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
