// Says where a text stops being JSON. Slow and thorough: only for documents that the parser has refused.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace coffer::json {

/// The first byte that cannot be part of a JSON document, and why.
struct fault {
  std::size_t offset = 0;
  std::string reason;
};

/// The first fault of `text` by RFC 8259 with UTF-8 inside strings and at most depth_limit() levels; nullopt for a
/// valid document. Numbers may be of any size, members may repeat.
std::optional<fault> find_fault(std::string_view text);

/// "line 2, column 5: ...", both counted from 1, columns in bytes.
std::string describe(const fault& f, std::string_view text);

/// A valid document with every number that no 64-bit type can hold replaced by one that can: integers by the nearest
/// 64-bit one, others by 0.5. The length stays the same.
std::string with_bounded_numbers(std::string_view valid);

}  // namespace coffer::json
