// Counts of durations in logarithmic buckets with linear steps inside: every value within 1.6 %.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace bench {

/// Buckets of a histogram: values below 128 have one each, above the top seven bits choose it.
namespace buckets {

inline constexpr std::uint64_t steps = 64;  ///< per power of two
inline constexpr int step_bits = 6;

constexpr std::size_t index_of(std::uint64_t value) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - step_bits - 1);
  return static_cast<std::size_t>(shift) * steps + (value >> shift);
}

constexpr std::uint64_t upper_bound(std::size_t index) {
  if (index < 2 * steps) {
    return index;
  }
  const std::size_t shift = index / steps - 1;
  return ((index - shift * steps + 1) << shift) - 1;
}

static_assert(index_of(127) == 127 && index_of(128) == 128 && index_of(129) == 128 && index_of(130) == 129);
static_assert(upper_bound(index_of(127)) == 127 && upper_bound(index_of(128)) == 129);
static_assert(upper_bound(index_of(1'000'000)) >= 1'000'000 && upper_bound(index_of(1'000'000)) < 1'016'000);

}  // namespace buckets

/// Durations from 1 us to 60 s; longer ones count as 60 s.
class histogram {
 public:
  void record(std::chrono::steady_clock::duration d) {
    const auto value = std::chrono::duration_cast<std::chrono::microseconds>(d).count();
    const auto bounded = std::clamp<std::int64_t>(value, 0, longest);
    ++counts_[buckets::index_of(static_cast<std::uint64_t>(bounded))];
    ++total_;
  }

  /// The duration in milliseconds that `share` (0..1) of all values do not exceed; 0 without values.
  [[nodiscard]] double percentile_ms(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted || (seen == total_ && total_ > 0)) {
        return static_cast<double>(buckets::upper_bound(i)) / 1000;
      }
    }
    return 0;
  }

 private:
  static constexpr std::int64_t longest = 60'000'000;

  std::array<std::uint64_t, buckets::index_of(longest) + 1> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace bench
