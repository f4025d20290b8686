// What a credential may do.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <expected>
#include <initializer_list>
#include <string>
#include <string_view>

namespace coffer::auth {

/// One permission. `admin` contains all others, `admin:read` all those to read.
enum class scope : std::uint8_t {
  purchases_write,
  funds_write,
  inventory_read,
  inventory_write,
  catalog_read,
  catalog_write,
  analytics_read,
  refunds_write,
  grants_write,
  keys_admin,
  events_read,
  webhooks_write,
  admin_read,
  admin,
};

inline constexpr std::size_t scope_count = static_cast<std::size_t>(scope::admin) + 1;

/// "purchases:write" etc.
std::string_view to_string(scope s) noexcept;

/// All of them in order.
inline constexpr std::array<scope, scope_count> all_scopes = {
    scope::purchases_write, scope::funds_write,   scope::inventory_read, scope::inventory_write,
    scope::catalog_read,    scope::catalog_write, scope::analytics_read, scope::refunds_write,
    scope::grants_write,    scope::keys_admin,    scope::events_read,    scope::webhooks_write,
    scope::admin_read,      scope::admin};

/// Some scopes.
class scope_set {
 public:
  constexpr scope_set() = default;
  constexpr scope_set(std::initializer_list<scope> list) {
    for (const scope s : list) {
      add(s);
    }
  }

  constexpr void add(scope s) { bits_ |= bit(s); }
  /// Whether an operation that needs `s` is allowed.
  [[nodiscard]] constexpr bool allows(scope s) const {
    return (bits_ & (bit(s) | bit(scope::admin) | (only_reads(s) ? bit(scope::admin_read) : 0U))) != 0;
  }
  /// Whether `s` itself is in the set.
  [[nodiscard]] constexpr bool contains(scope s) const { return (bits_ & bit(s)) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  /// Those that are in both sets. `admin` and `admin:read` are no wildcards here.
  [[nodiscard]] constexpr scope_set common_with(scope_set other) const {
    scope_set both;
    both.bits_ = static_cast<std::uint16_t>(bits_ & other.bits_);
    return both;
  }
  friend constexpr bool operator==(scope_set, scope_set) = default;

 private:
  static constexpr bool only_reads(scope s) {
    return s == scope::inventory_read || s == scope::catalog_read || s == scope::analytics_read ||
           s == scope::events_read;
  }
  static constexpr std::uint16_t bit(scope s) { return static_cast<std::uint16_t>(1U << static_cast<unsigned>(s)); }
  std::uint16_t bits_ = 0;
};

/// Every scope there is.
inline constexpr scope_set everything{scope::admin};

/// The names, separated by one space, in the order of the enumeration.
std::string to_string(scope_set set);

namespace detail {

inline constexpr std::array<std::string_view, scope_count> names = {
    "purchases:write", "funds:write",   "inventory:read", "inventory:write", "catalog:read", "catalog:write",
    "analytics:read",  "refunds:write", "grants:write",   "keys:admin",      "events:read",  "webhooks:write",
    "admin:read",      "admin"};

/// Cuts the first name off the front; empty between two spaces.
inline std::string_view take_name(std::string_view& text) {
  const std::string_view name = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(name.size() + 1, text.size()));
  return name;
}

inline bool add_known(scope_set& set, std::string_view name) {
  const auto* const found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    return false;
  }
  set.add(static_cast<scope>(found - names.begin()));
  return true;
}

}  // namespace detail

inline std::string_view to_string(scope s) noexcept { return detail::names[static_cast<std::size_t>(s)]; }

/// The names of all scopes, separated by one space, for messages and documents.
inline std::string_view scope_names() {
  static const std::string all = [] {
    scope_set set;
    for (const scope s : all_scopes) {
      set.add(s);
    }
    return to_string(set);
  }();
  return all;
}

inline std::string to_string(scope_set set) {
  std::string text;
  for (const scope s : all_scopes) {
    if (set.contains(s)) {
      text.append(text.empty() ? "" : " ").append(to_string(s));
    }
  }
  return text;
}

/// Reads names separated by spaces. The error is the first name that is no scope, or empty when there is none at all.
inline std::expected<scope_set, std::string> scopes_from_string(std::string_view text) {
  scope_set set;
  while (!text.empty()) {
    const std::string_view name = detail::take_name(text);
    if (!name.empty() && !detail::add_known(set, name)) {
      return std::unexpected{std::string{name}};
    }
  }
  if (set.empty()) {
    return std::unexpected{std::string{}};
  }
  return set;
}

/// The scopes among names separated by spaces; other names count for nothing. For what somebody else wrote.
inline scope_set known_scopes(std::string_view text) {
  scope_set set;
  while (!text.empty()) {
    detail::add_known(set, detail::take_name(text));
  }
  return set;
}

}  // namespace coffer::auth
