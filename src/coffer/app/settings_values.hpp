// How setting values are spelled: numbers, durations, sizes, addresses. Pure.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace coffer::app {

/// A whole number in decimal digits with an optional '-'; nullopt when it is anything else or does not fit 64 bits.
inline std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

namespace detail {

/// What may stand behind a number, and what it is multiplied by then.
struct unit {
  std::string_view name;
  std::int64_t factor;
};

// Largest first: formatting takes the first that divides the value.
inline constexpr std::array<unit, 5> durations = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
inline constexpr std::array<unit, 3> sizes = {{{"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}};

template <std::size_t Count>
std::optional<std::int64_t> parse_with_unit(std::string_view text, const std::array<unit, Count>& units,
                                            std::int64_t limit) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_integer(text.substr(0, digits));
  for (const unit& u : units) {
    if (number && text.substr(digits) == u.name && *number <= limit / u.factor) {
      return *number * u.factor;
    }
  }
  return std::nullopt;
}

template <std::size_t Count>
std::string format_with_unit(std::int64_t value, const std::array<unit, Count>& units, std::string_view zero) {
  for (const unit& u : units) {
    if (value != 0 && value % u.factor == 0) {
      return fmt::format("{}{}", value / u.factor, u.name);
    }
  }
  return std::string{zero};
}

/// A number of exactly two decimal digits.
inline std::optional<std::int64_t> two_digits(std::string_view text) {
  return text.size() == 2 && text.find_first_not_of("0123456789") == std::string_view::npos ? parse_integer(text)
                                                                                            : std::nullopt;
}

}  // namespace detail

/// "500ms", "5s", "10m", "2h", "1d": a whole number with its unit. Nullopt when malformed, negative or above 10 years.
inline std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::int64_t most = std::int64_t{3650} * 86'400'000;
  const auto value = detail::parse_with_unit(text, detail::durations, most);
  return value ? std::optional{std::chrono::milliseconds{*value}} : std::nullopt;
}

/// The shortest spelling that parse_duration reads back.
inline std::string format_duration(std::chrono::milliseconds duration) {
  return detail::format_with_unit(duration.count(), detail::durations, "0s");
}

/// "4096", "16KiB", "1MiB": bytes. Nullopt when malformed or above 2^53.
inline std::optional<std::size_t> parse_size(std::string_view text) {
  const auto value = detail::parse_with_unit(text, detail::sizes, std::int64_t{1} << 53);
  return value ? std::optional{static_cast<std::size_t>(*value)} : std::nullopt;
}

/// The shortest spelling that parse_size reads back.
inline std::string format_size(std::size_t bytes) {
  return detail::format_with_unit(static_cast<std::int64_t>(bytes), detail::sizes, "0");
}

/// "HH:MM" or "HH:MM:SS", 00:00 to 23:59:59.
inline std::optional<std::chrono::seconds> parse_time_of_day(std::string_view text) {
  const bool shaped = (text.size() == 5 || (text.size() == 8 && text[5] == ':')) && text[2] == ':';
  if (!shaped) {
    return std::nullopt;
  }
  const auto hours = detail::two_digits(text.substr(0, 2));
  const auto minutes = detail::two_digits(text.substr(3, 2));
  const auto seconds = text.size() == 8 ? detail::two_digits(text.substr(6)) : 0;
  if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 59) {
    return std::nullopt;
  }
  return std::chrono::seconds{(*hours * 60 + *minutes) * 60 + *seconds};
}

/// "1", "on", "true", "yes" or "0", "off", "false", "no".
inline std::optional<bool> parse_switch(std::string_view text) {
  for (const std::string_view yes : {"1", "on", "true", "yes"}) {
    if (text == yes) {
      return true;
    }
  }
  for (const std::string_view no : {"0", "off", "false", "no"}) {
    if (text == no) {
      return false;
    }
  }
  return std::nullopt;
}

/// Where to listen: an IP address and a port.
struct listen_address {
  std::string host;  ///< without brackets; "localhost" has become 127.0.0.1
  std::uint16_t port = 0;
  bool is_v6 = false;

  /// Whether only this machine can reach it.
  [[nodiscard]] bool is_loopback() const {
    if (is_v6) {
      in6_addr address{};
      return ::inet_pton(AF_INET6, host.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
    }
    return host.starts_with("127.");
  }

  /// "127.0.0.1:8080", "[::1]:8080".
  [[nodiscard]] std::string text() const { return fmt::format(fmt::runtime(is_v6 ? "[{}]:{}" : "{}:{}"), host, port); }
};

/// "127.0.0.1:8080", "localhost:0", "[::]:8080"; nullopt for host names (an address that DNS decides is no boundary)
/// and everything else.
inline std::optional<listen_address> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  listen_address parsed;
  std::string_view host = text.substr(0, colon);
  const auto port = text.substr(colon + 1);
  const auto number = parse_integer(port);
  if (!number || *number < 0 || *number > 65535 || port.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  parsed.port = static_cast<std::uint16_t>(*number);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    parsed.is_v6 = true;
  }
  parsed.host = host == "localhost" && !parsed.is_v6 ? "127.0.0.1" : host;
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  if (::inet_pton(parsed.is_v6 ? AF_INET6 : AF_INET, parsed.host.c_str(), ignored.data()) != 1) {
    return std::nullopt;
  }
  return parsed;
}

}  // namespace coffer::app
