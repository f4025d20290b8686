// The outcomes a client can cause, as values. Knows the codes of the contract, not how they look over HTTP.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/base/assert.hpp"

namespace coffer {

// Every error code of the HTTP contract. Each has a row in api/problem_table.cpp, in this order.
// clang-format off
#define COFFER_ERROR_CODES(X)                                                                              \
  X(malformed_json) X(malformed_request) X(idempotency_key_required) X(invalid_idempotency_key)            \
  X(invalid_cursor) X(invalid_parameter) X(unauthenticated) X(forbidden) X(insufficient_scope)             \
  X(insufficient_funds) X(not_found) X(user_not_found) X(product_not_found) X(transaction_not_found)       \
  X(method_not_allowed) X(request_timeout) X(already_owned) X(product_inactive) X(not_enough_items)        \
  X(not_consumable) X(price_changed) X(sold_out) X(limit_reached) X(not_on_sale) X(balance_limit_exceeded) \
  X(username_taken) X(email_taken) X(name_taken) X(idempotency_in_progress) X(not_refundable)              \
  X(already_refunded) X(content_too_large) X(uri_too_long) X(unsupported_media_type) X(expectation_failed) \
  X(header_fields_too_large) X(validation_failed) X(idempotency_key_reused) X(rate_limited) X(internal)    \
  X(not_implemented) X(http_version_not_supported) X(unavailable) X(outcome_unknown) X(overloaded)         \
  X(not_executed) X(precondition_failed) X(misdirected_request) X(cursor_expired) X(cursor_ahead)          \
  X(webhook_not_found) X(too_many_webhooks) X(too_many_keys)
// clang-format on

/// An error code. The spelling on the wire is the name here.
enum class errc : std::uint8_t {
#define COFFER_ERROR_CODE(name) name,
  COFFER_ERROR_CODES(COFFER_ERROR_CODE)
#undef COFFER_ERROR_CODE
};

/// One rule that one member, parameter or header of a request breaks.
struct field_error {
  std::string pointer;  ///< "#/amount" (RFC 6901 in a URI fragment), "parameter" or "header" names, e.g. "limit"
  std::string code;     ///< the rule, e.g. "greater_than"
  std::string detail;   ///< one sentence for a person
  std::vector<std::pair<std::string, std::int64_t>> params;  ///< the rule's numbers, e.g. {"minimum", 1}
};

/// A refusal with what a client needs to act on it.
struct error {
  /// How a number is shown.
  enum class unit : std::uint8_t { count, time, nothing };

  /// A number shown to the client beside the code, e.g. {"required", 500}. The name has static storage.
  struct number {
    std::string_view name;
    std::int64_t value = 0;
    unit shown_as = unit::count;
  };

  error(errc c) : code{c} {}  // NOLINT(google-explicit-constructor): an error code is an error
  error(errc c, std::string text) : code{c}, detail{std::move(text)} {}

  /// Adds a number (at most three fit; more is a bug).
  error&& with(std::string_view name, std::int64_t value) &&;
  /// Adds a time in microseconds since the Unix epoch, shown in RFC 3339; nullopt is shown as null.
  error&& with_time(std::string_view name, std::optional<std::int64_t> microseconds) &&;

  errc code;
  std::string detail;  ///< empty: the code's own sentence is shown
  std::array<number, 3> numbers{};
  std::vector<field_error> fields;

 private:
  error&& add(number n) &&;
};

/// A value, or the refusal a client caused. Infrastructure failures are exceptions instead.
template <typename T>
using result = std::expected<T, error>;

namespace detail {

inline constexpr std::array error_codes = {
#define COFFER_ERROR_CODE(name) std::string_view{#name},
    COFFER_ERROR_CODES(COFFER_ERROR_CODE)
#undef COFFER_ERROR_CODE
};

}  // namespace detail

/// The number of codes, for tables indexed by errc.
inline constexpr std::size_t errc_count = detail::error_codes.size();

/// The code as the contract spells it, e.g. "insufficient_funds".
inline std::string_view to_string(errc code) noexcept { return detail::error_codes[static_cast<std::size_t>(code)]; }

/// The code spelled `text`, or nullopt.
inline std::optional<errc> errc_from_string(std::string_view text) noexcept {
  const auto* found = std::find(detail::error_codes.begin(), detail::error_codes.end(), text);
  if (found == detail::error_codes.end()) {
    return std::nullopt;
  }
  return static_cast<errc>(found - detail::error_codes.begin());
}

inline error&& error::with(std::string_view name, std::int64_t value) && {
  return std::move(*this).add({.name = name, .value = value});
}

inline error&& error::with_time(std::string_view name, std::optional<std::int64_t> microseconds) && {
  return std::move(*this).add(
      {.name = name, .value = microseconds.value_or(0), .shown_as = microseconds ? unit::time : unit::nothing});
}

inline error&& error::add(number n) && {
  for (number& slot : numbers) {
    if (slot.name.empty()) {
      slot = n;
      return std::move(*this);
    }
  }
  assertion_failed("an error carries at most three numbers");
}

}  // namespace coffer
