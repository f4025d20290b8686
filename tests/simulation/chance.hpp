// Chance that is the same on every machine, and the record of what happened.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "virtual_time.hpp"

namespace coffer::simulation {

/// Numbers from a seed (splitmix64).
class chance {
 public:
  using result_type = std::uint64_t;
  explicit chance(std::uint64_t seed) : state_{seed} {}
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  result_type operator()() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }

  /// 0 .. count - 1.
  std::int64_t below(std::int64_t count) {
    return static_cast<std::int64_t>((*this)() % static_cast<std::uint64_t>(count));
  }
  std::int64_t between(std::int64_t first, std::int64_t last) { return first + below(last - first + 1); }
  bool one_in(std::int64_t n) { return below(n) == 0; }
  template <typename Duration>
  Duration within(Duration first, Duration last) {
    return Duration{between(first.count(), last.count())};
  }

 private:
  std::uint64_t state_;
};

/// How often the runs of this thread have met something: what is never met is not tested.
inline std::map<std::string, std::size_t, std::less<>>& met() {
  thread_local std::map<std::string, std::size_t, std::less<>> counts;
  return counts;
}

inline void meet(std::string_view what) {
  const auto known = met().find(what);
  if (known != met().end()) {
    ++known->second;
  } else {
    met().emplace(what, 1);
  }
}

/// What happened in one run: a number that differs when anything differs and, if wanted, lines to read.
class trace {
 public:
  explicit trace(bool readable) : readable_{readable} {}

  template <typename... Facts>
  void note(std::string_view what, const Facts&... facts) {
    const auto time = (clock::now() - net::deadline{}).count();
    add(static_cast<std::uint64_t>(time));
    add(what);
    (add(facts), ...);
    ++events_;
    if (readable_) {
      std::string line = fmt::format("{:>12.3f} ms  {}", static_cast<double>(time) / 1e6 - 3'600'000.0, what);
      (line.append(fmt::format(" {}", facts)), ...);
      lines_.push_back(std::move(line));
    }
  }

  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::size_t events() const { return events_; }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

 private:
  void add(std::uint64_t number) { hash_ = (hash_ ^ number) * 0x100000001B3ULL + (hash_ >> 29U); }
  void add(std::string_view text) {
    for (const char c : text) {
      add(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
    }
  }
  template <std::integral Number>
  void add(Number number) {
    add(static_cast<std::uint64_t>(number));
  }

  bool readable_;
  std::uint64_t hash_ = 0xCBF29CE484222325ULL;
  std::size_t events_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace coffer::simulation
