// How often something may be asked for. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

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
  [[nodiscard]] bool any() const { return std::ranges::any_of(by, &policy::limits); }
};

/// As parse_policies reads it.
std::string to_string(const policies& p);

namespace detail {

inline constexpr std::array<std::string_view, route_class_count> class_names = {"none", "funds",       "purchase",
                                                                                "use",  "credentials", "read"};
inline constexpr std::array<std::string_view, dimension_count> dimension_names = {"user", "key", "address"};
inline constexpr std::array<std::pair<char, std::int64_t>, 4> units = {
    {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}};

inline std::optional<std::int64_t> number_in(std::string_view text, std::int64_t highest) {
  std::int64_t value = 0;
  const auto [stop, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = !text.empty() && text.front() != '-' && failed == std::errc{} && stop == text.data() + text.size();
  return whole && value >= 1 && value <= highest ? std::optional{value} : std::nullopt;
}

inline std::optional<std::chrono::seconds> window_in(std::string_view text) {
  const auto* const unit =
      std::ranges::find(units, text.empty() ? '\0' : text.back(), &std::pair<char, std::int64_t>::first);
  if (unit == units.end()) {
    return std::nullopt;
  }
  const auto count = number_in(text.substr(0, text.size() - 1), policy::max_window.count() / unit->second);
  return count ? std::optional{std::chrono::seconds{*count * unit->second}} : std::nullopt;
}

inline std::string window_text(std::chrono::seconds window) {
  const auto* const unit = std::ranges::find_if(units, [&](const auto& u) { return window.count() % u.second == 0; });
  return fmt::format("{}{}", window.count() / unit->second, unit->first);
}

/// One "user:10/1s".
inline bool read_one(std::string_view text, policies& into) {
  const std::size_t colon = text.find(':');
  const std::size_t slash = text.find('/');
  if (colon == std::string_view::npos || slash == std::string_view::npos || slash < colon) {
    return false;
  }
  const auto* const name = std::ranges::find(dimension_names, text.substr(0, colon));
  const auto quota = number_in(text.substr(colon + 1, slash - colon - 1), policy::max_quota);
  const auto window = window_in(text.substr(slash + 1));
  if (name == dimension_names.end() || !quota || !window) {
    return false;
  }
  policy& made = into.by[static_cast<std::size_t>(name - dimension_names.begin())];
  if (made.limits()) {
    return false;
  }
  made.quota = *quota;
  made.window = *window;
  return true;
}

}  // namespace detail

inline std::string_view to_string(route_class c) noexcept { return detail::class_names[static_cast<std::size_t>(c)]; }

inline std::string_view to_string(dimension d) noexcept { return detail::dimension_names[static_cast<std::size_t>(d)]; }

/// "user:10/1s,address:600/1m": per dimension at most one quota and its window in whole s, m, h or 1d. "none": no
/// limit. The error completes "it must be ...".
inline std::expected<policies, std::string> parse_policies(std::string_view text) {
  policies made;
  if (text == "none") {
    return made;
  }
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    if (!detail::read_one(one, made)) {
      return std::unexpected{
          fmt::format("none, or a list such as user:10/1s,key:5000/1s,address:600/1m: each of user, key and address "
                      "once at most, a "
                      "number from 1 to {} and a time from 1s to 1d",
                      policy::max_quota)};
    }
    text.remove_prefix(std::min(one.size() + 1, text.size()));
  }
  return made;
}

inline std::string to_string(const policies& p) {
  std::string text;
  for (std::size_t i = 0; i < dimension_count; ++i) {
    if (p.by[i].limits()) {
      text += fmt::format("{}{}:{}/{}", text.empty() ? "" : ",", detail::dimension_names[i], p.by[i].quota,
                          detail::window_text(p.by[i].window));
    }
  }
  return text.empty() ? "none" : text;
}

}  // namespace coffer::limit
