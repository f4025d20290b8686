// W3C Trace Context (Recommendation of 23 November 2021): the trace that a request belongs to.
#pragma once

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/base/ascii.hpp"

namespace coffer::api {

namespace detail {

inline constexpr std::size_t version_00_size = 55;

inline bool is_hex(std::string_view text) {
  return text.find_first_not_of(ascii::hex_digits) == std::string_view::npos;
}

inline bool is_id(std::string_view text) {
  return is_hex(text) && std::ranges::any_of(text, [](char c) { return c != '0'; });
}

}  // namespace detail

/// A valid header traceparent. Views into it.
struct trace_context {
  std::string_view trace_id;   ///< 32 hexadecimal digits, not all 0
  std::string_view parent_id;  ///< 16, not all 0
  std::string_view flags;      ///< 2
};

/// Reads a traceparent (section 3.2); higher versions by what version 00 knows of them. Nullopt: to be ignored.
inline std::optional<trace_context> read_trace_context(std::string_view header) {
  if (header.size() < detail::version_00_size || header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return std::nullopt;
  }
  const std::string_view version = header.substr(0, 2);
  const trace_context read{
      .trace_id = header.substr(3, 32), .parent_id = header.substr(36, 16), .flags = header.substr(53, 2)};
  const bool whole =
      header.size() == detail::version_00_size || (version != "00" && header[detail::version_00_size] == '-');
  if (!whole || !detail::is_hex(version) || version == "ff" || !detail::is_id(read.trace_id) ||
      !detail::is_id(read.parent_id) || !detail::is_hex(read.flags)) {
    return std::nullopt;
  }
  return read;
}

/// The traceparent of what this server does for the request: the same trace, a new parent id.
inline std::string make_traceparent(const trace_context& from) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  // All zeros would be no id.
  return fmt::format("00-{}-{:016x}-{}", from.trace_id, random() | 1U, from.flags);
}

}  // namespace coffer::api
