#include "coffer/api/trace_context.hpp"

#include <algorithm>
#include <random>

#include <fmt/format.h>

namespace coffer::api {

namespace {

constexpr std::size_t version_00_size = 55;

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) {
  return is_hex(text) && std::ranges::any_of(text, [](char c) { return c != '0'; });
}

}  // namespace

std::optional<trace_context> read_trace_context(std::string_view header) {
  if (header.size() < version_00_size || header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return std::nullopt;
  }
  const std::string_view version = header.substr(0, 2);
  const trace_context read{
      .trace_id = header.substr(3, 32), .parent_id = header.substr(36, 16), .flags = header.substr(53, 2)};
  const bool whole = header.size() == version_00_size || (version != "00" && header[version_00_size] == '-');
  if (!whole || !is_hex(version) || version == "ff" || !is_id(read.trace_id) || !is_id(read.parent_id) ||
      !is_hex(read.flags)) {
    return std::nullopt;
  }
  return read;
}

std::string make_traceparent(const trace_context& from) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  // All zeros would be no id.
  return fmt::format("00-{}-{:016x}-{}", from.trace_id, random() | 1U, from.flags);
}

}  // namespace coffer::api
