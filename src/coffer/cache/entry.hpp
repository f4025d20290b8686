// What stands under a user's key: "V <epoch> <run> <version>\n<json>" (a value), "L<token>" (the lease of a reader
// that is loading) or "F<version>" (a fence: nothing older may be stored).
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/base/ids.hpp"

namespace coffer::cache {

/// What an entry is.
enum class entry_kind : std::uint8_t {
  value,    ///< of the epoch and server run that were asked for
  foreign,  ///< a value of another epoch or server run
  lease,
  fence,
  garbage,  ///< nothing of ours
};

struct entry {
  entry_kind kind = entry_kind::garbage;
  version at;                  ///< of a value or a fence
  std::size_t json_begin = 0;  ///< of a value: where its JSON begins
};

namespace detail {

inline constexpr std::size_t max_epoch = 128;
inline constexpr std::size_t max_token = 64;

inline bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

inline std::optional<version> read_version(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failed != std::errc{} || end != digits.data() + digits.size() || value < 0 || value > max_json_integer) {
    return std::nullopt;
  }
  return version{value};
}

inline entry decode_value(std::string_view raw, std::string_view tag) {
  entry found;
  if (!raw.starts_with(tag)) {
    // Whatever it is, it is replaced in the same way as a value of yesterday.
    found.kind = entry_kind::foreign;
    return found;
  }
  const std::size_t line_end = raw.find('\n', tag.size());
  if (line_end == std::string_view::npos) {
    return found;
  }
  const auto at = read_version(raw.substr(tag.size(), line_end - tag.size()));
  const std::string_view json = raw.substr(line_end + 1);
  if (at && json.starts_with('{') && json.ends_with('}')) {
    found.kind = entry_kind::value;
    found.at = *at;
    found.json_begin = line_end + 1;
  }
  return found;
}

}  // namespace detail

/// An epoch as it may stand in Redis: 1 to 128 visible ASCII characters.
inline bool is_epoch(std::string_view text) noexcept {
  return !text.empty() && text.size() <= detail::max_epoch && detail::is_visible(text);
}

/// The beginning of every value of this epoch, stored in this run of the server: "V <epoch> <run> ".
inline std::string value_tag(std::string_view epoch, std::string_view run) {
  return fmt::format("V {} {} ", epoch, run);
}

inline std::string encode_value(std::string_view tag, version at, std::string_view json) {
  return fmt::format("{}{}\n{}", tag, at.value, json);
}

inline std::string encode_fence(version at) { return fmt::format("F{}", at.value); }

/// Reads an entry. `tag` says which values count.
inline entry decode_entry(std::string_view raw, std::string_view tag) noexcept {
  entry found;
  if (raw.starts_with("V ")) {
    return detail::decode_value(raw, tag);
  }
  if (raw.starts_with('L') && raw.size() > 1 && raw.size() <= detail::max_token && detail::is_visible(raw)) {
    found.kind = entry_kind::lease;
  } else if (raw.starts_with('F')) {
    if (const auto at = detail::read_version(raw.substr(1))) {
      found.kind = entry_kind::fence;
      found.at = *at;
    }
  }
  return found;
}

}  // namespace coffer::cache
