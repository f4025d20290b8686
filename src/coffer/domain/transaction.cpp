#include "coffer/domain/transaction.hpp"

#include <algorithm>

#include "coffer/base/assert.hpp"

namespace coffer::domain {

namespace {

constexpr std::array<std::string_view, 5> kinds = {"deposit", "purchase", "use", "refund", "grant"};
constexpr std::array<std::string_view, 3> statuses = {"pending", "completed", "failed"};

template <typename Enum, std::size_t N>
std::string_view name_of(const std::array<std::string_view, N>& names, Enum value) noexcept {
  const auto index = static_cast<std::size_t>(value) - 1;
  return index < N ? names[index] : "unknown";
}

template <typename Enum, std::size_t N>
std::optional<Enum> value_of(const std::array<std::string_view, N>& names, std::string_view text) noexcept {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) {
      return static_cast<Enum>(i + 1);
    }
  }
  return std::nullopt;
}

std::int64_t microseconds_of(timestamp time) noexcept { return time.time_since_epoch().count(); }

}  // namespace

std::string_view to_string(transaction_kind kind) noexcept { return name_of(kinds, kind); }
std::string_view to_string(transaction_status status) noexcept { return name_of(statuses, status); }

std::optional<transaction_kind> transaction_kind_from_string(std::string_view text) noexcept {
  return value_of<transaction_kind>(kinds, text);
}
std::optional<transaction_status> transaction_status_from_string(std::string_view text) noexcept {
  return value_of<transaction_status>(statuses, text);
}

std::string_view reason_of(const transaction& row) noexcept {
  return row.reason ? to_string(*row.reason) : std::string_view{row.newer_reason};
}

error sold_out(std::int64_t requested, std::int64_t available) {
  return error{errc::sold_out}.with("requested", requested).with("available", available);
}

std::optional<std::int64_t> refunded_version(const transaction& row) noexcept {
  return row.kind == transaction_kind::refund ? row.detail_1 : std::nullopt;
}

std::optional<std::int64_t> missing_of(const transaction& row) noexcept {
  const bool done = row.kind == transaction_kind::refund && row.status == transaction_status::completed;
  return done ? row.detail_2 : std::nullopt;
}

error refusal_of(const transaction& row) {
  COFFER_ASSERT(row.status == transaction_status::failed);
  if (!row.reason) {
    return {errc::unavailable,
            "A newer version of this server refused it, for a reason that this one does not know: " + row.newer_reason};
  }
  error refusal{*row.reason};
  switch (*row.reason) {
    case errc::insufficient_funds:
      return std::move(refusal)
          .with("required", on_the_wire(row.amount))
          .with("available", row.detail_2.value_or(row.balance_after.value));
    case errc::not_enough_items:
      return std::move(refusal)
          .with("required", row.quantity)
          .with("available", row.detail_2.value_or(row.item_quantity_after.value_or(0)));
    case errc::price_changed:
      return std::move(refusal).with("current_price", row.amount.value / std::max<std::int64_t>(row.quantity, 1));
    case errc::sold_out:
      return sold_out(row.quantity, row.detail_1.value_or(0));
    case errc::not_refundable:
      return std::move(refusal)
          .with("requested", row.product ? row.quantity : on_the_wire(row.amount))
          .with("refundable", row.detail_2.value_or(0));
    case errc::limit_reached:
      return std::move(refusal)
          .with("limit", row.detail_1.value_or(max_json_integer))
          .with("bought", row.detail_2.value_or(row.item_quantity_after.value_or(0)))
          .with("requested", row.quantity);
    case errc::not_on_sale:
      refusal.detail = row.detail_1 && microseconds_of(row.created_at) < *row.detail_1
                           ? "The sale of this product has not started."
                           : "The sale of this product is over.";
      return std::move(refusal).with_time("sale_starts_at", row.detail_1).with_time("sale_ends_at", row.detail_2);
    case errc::balance_limit_exceeded:
      return std::move(refusal)
          .with("balance", row.detail_2.value_or(row.balance_after.value))
          .with("limit", max_credits.value);
    default:
      return refusal;
  }
}

}  // namespace coffer::domain
