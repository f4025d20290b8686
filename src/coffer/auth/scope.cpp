#include "coffer/auth/scope.hpp"

#include <algorithm>

namespace coffer::auth {

namespace {

constexpr std::array<std::string_view, scope_count> names = {
    "purchases:write", "funds:write",   "inventory:read", "inventory:write", "catalog:read", "catalog:write",
    "analytics:read",  "refunds:write", "grants:write",   "keys:admin",      "admin:read",   "admin"};

/// Cuts the first name off the front; empty between two spaces.
std::string_view take_name(std::string_view& text) {
  const std::string_view name = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(name.size() + 1, text.size()));
  return name;
}

bool add_known(scope_set& set, std::string_view name) {
  const auto* const found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    return false;
  }
  set.add(static_cast<scope>(found - names.begin()));
  return true;
}

}  // namespace

std::string_view to_string(scope s) noexcept { return names[static_cast<std::size_t>(s)]; }

std::string_view scope_names() {
  static const std::string all = [] {
    scope_set set;
    for (const scope s : all_scopes) {
      set.add(s);
    }
    return to_string(set);
  }();
  return all;
}

std::string to_string(scope_set set) {
  std::string text;
  for (const scope s : all_scopes) {
    if (set.contains(s)) {
      text.append(text.empty() ? "" : " ").append(to_string(s));
    }
  }
  return text;
}

std::expected<scope_set, std::string> scopes_from_string(std::string_view text) {
  scope_set set;
  while (!text.empty()) {
    const std::string_view name = take_name(text);
    if (!name.empty() && !add_known(set, name)) {
      return std::unexpected{std::string{name}};
    }
  }
  if (set.empty()) {
    return std::unexpected{std::string{}};
  }
  return set;
}

scope_set known_scopes(std::string_view text) {
  scope_set set;
  while (!text.empty()) {
    add_known(set, take_name(text));
  }
  return set;
}

}  // namespace coffer::auth
