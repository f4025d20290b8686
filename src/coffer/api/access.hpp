// Who may use a route, and what its requests count as.
#pragma once

#include <cstdint>
#include <optional>

#include "coffer/auth/scope.hpp"
#include "coffer/limit/policy.hpp"

namespace coffer::api {

/// Where a request says which user it is about. In the path dispatch looks; for the rest the handler calls
/// gate::enter() itself, as soon as it has read the body.
enum class subject_place : std::uint8_t { none, path, body };

/// The rules of one route.
struct access {
  /// For everybody, with or without credentials, and never limited.
  static constexpr access open() { return {}; }
  /// As open(), for what is asked every few seconds: its line in the log is of level debug.
  static constexpr access probe() {
    access a;
    a.is_probe = true;
    return a;
  }
  /// For credentials with this scope.
  static constexpr access needs(auth::scope s, subject_place subject = subject_place::none,
                                limit::route_class counts_as = limit::route_class::none) {
    access a;
    a.is_open = false;
    a.scope = s;
    a.subject = subject;
    a.counts_as = counts_as;
    return a;
  }
  /// The same for credentials with this other scope.
  [[nodiscard]] constexpr access or_needs(auth::scope s) const {
    access a = *this;
    a.other_scope = s;
    return a;
  }
  /// For any credentials: what the operations in the body need is asked for each of them.
  static constexpr access by_operation() {
    access a;
    a.is_open = false;
    a.subject = subject_place::body;
    return a;
  }

  bool is_open = true;
  bool is_probe = false;
  std::optional<auth::scope> scope;
  std::optional<auth::scope> other_scope;  ///< one of the two is enough
  subject_place subject = subject_place::none;
  limit::route_class counts_as = limit::route_class::none;
};

}  // namespace coffer::api
