// Wall-clock time as the journal and the contract know it: UTC, microseconds.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace coffer {

/// Microseconds since the Unix epoch, UTC: PostgreSQL's resolution of timestamptz.
using timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/// The wall clock now.
timestamp now() noexcept;

/// "2026-11-22T23:13:50.123456Z" (RFC 3339, always six decimals).
std::string to_rfc3339(timestamp time);

/// As to_rfc3339(); no time is no text.
std::optional<std::string> to_rfc3339_if_any(std::optional<timestamp> time);

/// Characters of the longest time that is read: many digits of a second, and an offset.
inline constexpr std::size_t longest_time = 64;
/// Characters of a time as it is written.
inline constexpr std::size_t written_time = 27;

/// Parses RFC 3339 with any offset and up to nine decimals (those past the sixth are cut); nullopt when malformed. A
/// leap second (23:59:60 UTC) is the second behind it, as in POSIX and PostgreSQL.
std::optional<timestamp> from_rfc3339(std::string_view text);

}  // namespace coffer
