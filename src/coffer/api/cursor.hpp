// Page cursors: opaque to clients, bound to the list and the filters they were made for.
#pragma once

#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/base/error.hpp"
#include "coffer/base/hash.hpp"

namespace coffer::api {

namespace detail {

/// Hexadecimal digits of the checksum: a guard against mistakes, not a secret.
inline constexpr std::size_t checksum_digits = 12;

inline std::string checksum(std::int64_t position, std::string_view scope) {
  const sha256_digest digest = sha256(fmt::format("cursor 1 {} {}", position, scope));
  return to_hex(std::span{digest}.first(checksum_digits / 2));
}

}  // namespace detail

/// A cursor that continues after `position` in the list that `scope` describes (path id and filters, in any text).
inline std::string make_cursor(std::int64_t position, std::string_view scope) {
  return fmt::format("{:x}-{}", position, detail::checksum(position, scope));
}

/// The position of a cursor that was made for `scope`. Refusal: invalid_cursor for anything else: another list, other
/// filters, altered text.
inline result<std::int64_t> read_cursor(std::string_view cursor, std::string_view scope) {
  const std::size_t dash = cursor.find('-');
  if (dash == std::string_view::npos || dash == 0 || dash > 14) {
    return std::unexpected(error{errc::invalid_cursor});
  }
  std::int64_t position = 0;
  const std::string_view digits = cursor.substr(0, dash);
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), position, 16);
  if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || position < 0 ||
      cursor != make_cursor(position, scope)) {
    return std::unexpected(error{errc::invalid_cursor});
  }
  return position;
}

}  // namespace coffer::api
