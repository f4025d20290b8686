// How often something may be asked for. Pure.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace coffer::limit {

/// Routes that are limited alike.
enum class route_class : std::uint8_t { none, funds, purchase, use, credentials, read };
inline constexpr std::size_t route_class_count = 6;

/// Whose requests are counted together.
enum class dimension : std::uint8_t { user, key, address };
inline constexpr std::size_t dimension_count = 3;

/// "funds" etc.
std::string_view to_string(route_class c) noexcept;
/// "user" etc.
std::string_view to_string(dimension d) noexcept;

/// `quota` requests at once, and as many again spread over each `window`.
struct policy {
  static constexpr std::int64_t max_quota = 1'000'000'000;
  static constexpr std::chrono::seconds max_window{86400};

  std::int64_t quota = 0;          ///< 0: unlimited
  std::chrono::seconds window{1};  ///< 1 s..1 day

  /// Whether there is a limit.
  [[nodiscard]] bool limits() const { return quota > 0; }
  /// The time in which one request is earned again; at least a nanosecond, because quota and window have bounds.
  [[nodiscard]] std::chrono::nanoseconds interval() const { return std::chrono::nanoseconds{window} / quota; }
};

/// The policies of one class of routes.
struct policies {
  std::array<policy, dimension_count> by{};

  [[nodiscard]] const policy& of(dimension d) const { return by[static_cast<std::size_t>(d)]; }
  [[nodiscard]] bool any() const;
};

/// "user:10/1s,address:600/1m": per dimension at most one quota and its window in whole s, m, h or 1d. "none": no
/// limit. The error completes "it must be ...".
std::expected<policies, std::string> parse_policies(std::string_view text);

/// As parse_policies reads it.
std::string to_string(const policies& p);

}  // namespace coffer::limit
