#include "coffer/cache/entry.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace coffer::cache {

namespace {

constexpr std::size_t max_epoch = 128;
constexpr std::size_t max_token = 64;

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

std::optional<version> read_version(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failed != std::errc{} || end != digits.data() + digits.size() || value < 0 || value > max_json_integer) {
    return std::nullopt;
  }
  return version{value};
}

entry decode_value(std::string_view raw, std::string_view tag) {
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

}  // namespace

bool is_epoch(std::string_view text) noexcept { return !text.empty() && text.size() <= max_epoch && is_visible(text); }

std::string value_tag(std::string_view epoch, std::string_view run) { return fmt::format("V {} {} ", epoch, run); }

std::string encode_value(std::string_view tag, version at, std::string_view json) {
  return fmt::format("{}{}\n{}", tag, at.value, json);
}

std::string encode_fence(version at) { return fmt::format("F{}", at.value); }

entry decode_entry(std::string_view raw, std::string_view tag) noexcept {
  entry found;
  if (raw.starts_with("V ")) {
    return decode_value(raw, tag);
  }
  if (raw.starts_with('L') && raw.size() > 1 && raw.size() <= max_token && is_visible(raw)) {
    found.kind = entry_kind::lease;
  } else if (raw.starts_with('F')) {
    if (const auto at = read_version(raw.substr(1))) {
      found.kind = entry_kind::fence;
      found.at = *at;
    }
  }
  return found;
}

}  // namespace coffer::cache
