#include "coffer/base/error.hpp"

#include <algorithm>

#include "coffer/base/assert.hpp"

namespace coffer {

namespace {

constexpr std::array<std::string_view, errc_count> names = {
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

}  // namespace

std::string_view to_string(errc code) noexcept { return names[static_cast<std::size_t>(code)]; }

std::optional<errc> errc_from_string(std::string_view text) noexcept {
  const auto* found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) {
    return std::nullopt;
  }
  return static_cast<errc>(found - names.begin());
}

error&& error::with(std::string_view name, std::int64_t value) && {
  return std::move(*this).add({.name = name, .value = value});
}

error&& error::with_time(std::string_view name, std::optional<std::int64_t> microseconds) && {
  return std::move(*this).add(
      {.name = name, .value = microseconds.value_or(0), .shown_as = microseconds ? unit::time : unit::nothing});
}

error&& error::add(number n) && {
  for (number& slot : numbers) {
    if (slot.name.empty()) {
      slot = n;
      return std::move(*this);
    }
  }
  assertion_failed("an error carries at most three numbers");
}

}  // namespace coffer
