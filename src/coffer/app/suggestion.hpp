// "Did you mean": the nearest of the words that exist. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace coffer::app {

/// The number of single-character edits between two words.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

/// "; did you mean X?" for the nearest of `known`, empty when nothing is near.
inline std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const auto nearest =
      std::ranges::min_element(known, {}, [&](const std::string& k) { return edit_distance(word, k); });
  return nearest == known.end() || edit_distance(word, *nearest) > 2 ? "" : fmt::format("; did you mean {}?", *nearest);
}

}  // namespace coffer::app
