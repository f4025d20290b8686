// How setting values are spelled: numbers, durations, sizes, addresses. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coffer::app {

/// A whole number in decimal digits with an optional '-'; nullopt when it is anything else or does not fit 64 bits.
std::optional<std::int64_t> parse_integer(std::string_view text);

/// "500ms", "5s", "10m", "2h", "1d": a whole number with its unit. Nullopt when malformed, negative or above 10 years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The shortest spelling that parse_duration reads back.
std::string format_duration(std::chrono::milliseconds duration);

/// "4096", "16KiB", "1MiB": bytes. Nullopt when malformed or above 2^53.
std::optional<std::size_t> parse_size(std::string_view text);

/// The shortest spelling that parse_size reads back.
std::string format_size(std::size_t bytes);

/// "HH:MM" or "HH:MM:SS", 00:00 to 23:59:59.
std::optional<std::chrono::seconds> parse_time_of_day(std::string_view text);

/// "1", "on", "true", "yes" or "0", "off", "false", "no".
std::optional<bool> parse_switch(std::string_view text);

/// Where to listen: an IP address and a port.
struct listen_address {
  std::string host;  ///< without brackets; "localhost" has become 127.0.0.1
  std::uint16_t port = 0;
  bool is_v6 = false;

  /// Whether only this machine can reach it.
  [[nodiscard]] bool is_loopback() const;
  /// "127.0.0.1:8080", "[::1]:8080".
  [[nodiscard]] std::string text() const;
};

/// "127.0.0.1:8080", "localhost:0", "[::]:8080"; nullopt for host names (an address that DNS decides is no boundary)
/// and everything else.
std::optional<listen_address> parse_listen_address(std::string_view text);

}  // namespace coffer::app
