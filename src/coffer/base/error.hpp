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

/// Every error code of the HTTP contract. The spelling on the wire is the name here.
enum class errc : std::uint8_t {
  malformed_json,
  malformed_request,
  idempotency_key_required,
  invalid_idempotency_key,
  invalid_cursor,
  invalid_parameter,
  unauthenticated,
  forbidden,
  insufficient_scope,
  insufficient_funds,
  not_found,
  user_not_found,
  product_not_found,
  transaction_not_found,
  method_not_allowed,
  request_timeout,
  already_owned,
  product_inactive,
  not_enough_items,
  not_consumable,
  price_changed,
  sold_out,
  limit_reached,
  not_on_sale,
  balance_limit_exceeded,
  username_taken,
  email_taken,
  name_taken,
  idempotency_in_progress,
  not_refundable,
  already_refunded,
  content_too_large,
  uri_too_long,
  unsupported_media_type,
  expectation_failed,
  header_fields_too_large,
  validation_failed,
  idempotency_key_reused,
  rate_limited,
  internal,
  not_implemented,
  http_version_not_supported,
  unavailable,
  outcome_unknown,
  overloaded,
  not_executed,
  precondition_failed,
  misdirected_request,
};

/// The number of codes, for tables indexed by errc.
inline constexpr std::size_t errc_count = static_cast<std::size_t>(errc::misdirected_request) + 1;

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

inline constexpr std::array<std::string_view, errc_count> names = {
    "malformed_json",
    "malformed_request",
    "idempotency_key_required",
    "invalid_idempotency_key",
    "invalid_cursor",
    "invalid_parameter",
    "unauthenticated",
    "forbidden",
    "insufficient_scope",
    "insufficient_funds",
    "not_found",
    "user_not_found",
    "product_not_found",
    "transaction_not_found",
    "method_not_allowed",
    "request_timeout",
    "already_owned",
    "product_inactive",
    "not_enough_items",
    "not_consumable",
    "price_changed",
    "sold_out",
    "limit_reached",
    "not_on_sale",
    "balance_limit_exceeded",
    "username_taken",
    "email_taken",
    "name_taken",
    "idempotency_in_progress",
    "not_refundable",
    "already_refunded",
    "content_too_large",
    "uri_too_long",
    "unsupported_media_type",
    "expectation_failed",
    "header_fields_too_large",
    "validation_failed",
    "idempotency_key_reused",
    "rate_limited",
    "internal",
    "not_implemented",
    "http_version_not_supported",
    "unavailable",
    "outcome_unknown",
    "overloaded",
    "not_executed",
    "precondition_failed",
    "misdirected_request",
};
static_assert(!names.back().empty());

}  // namespace detail

/// The code as the contract spells it, e.g. "insufficient_funds".
inline std::string_view to_string(errc code) noexcept { return detail::names[static_cast<std::size_t>(code)]; }

/// The code spelled `text`, or nullopt.
inline std::optional<errc> errc_from_string(std::string_view text) noexcept {
  const auto* found = std::find(detail::names.begin(), detail::names.end(), text);
  if (found == detail::names.end()) {
    return std::nullopt;
  }
  return static_cast<errc>(found - detail::names.begin());
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
