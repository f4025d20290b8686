// One row of the journal: the only record of everything that was decided about a user.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "coffer/base/clock.hpp"
#include "coffer/base/error.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/domain/actor.hpp"
#include "coffer/domain/credits.hpp"
#include "coffer/domain/key_place.hpp"
#include "coffer/domain/row_details.hpp"

namespace coffer::domain {

/// The numbers are stored: never renumber.
enum class transaction_kind : std::int16_t { deposit = 1, purchase = 2, use = 3, refund = 4, grant = 5 };
/// The numbers are stored: never renumber.
enum class transaction_status : std::int16_t { pending = 1, completed = 2, failed = 3 };

/// "deposit" etc.; "unknown" for a kind or status that only a newer version knows.
std::string_view to_string(transaction_kind kind) noexcept;
std::string_view to_string(transaction_status status) noexcept;

/// Digest of operation, path and canonical body: tells a retry from another request under the same key.
using fingerprint = std::array<std::byte, 16>;

/// A row of the journal. Holds everything a receipt or a refusal shows, so that a replay is rebuilt from it alone. A
/// refusal in an atomic group has quantity and amount as they were asked for, and the balance and the items of the
/// wallet without the group.
struct transaction {
  user_id user;
  version at;
  transaction_kind kind = transaction_kind::deposit;
  transaction_status status = transaction_status::completed;
  std::optional<product_id> product;
  std::int64_t quantity = 0;
  credits amount;
  credits balance_after;
  std::optional<std::int64_t> item_quantity_after;  ///< units of the product owned afterwards; null without product
  std::optional<errc> reason;                       ///< why it failed
  std::string newer_reason;     ///< why it failed, as a newer version wrote it and this one does not know; else empty
  row_details details;          ///< numbers that only some rows have
  std::string note;             ///< what the operator gave as the reason of a grant or refund; else empty
  bool note_public = false;     ///< players see the note
  std::string idempotency_key;  ///< empty: none
  std::optional<fingerprint> print;  ///< present exactly when there is a key
  std::string request_id;
  timestamp created_at;
  actor by;  ///< who asked for it
};

/// Where the row's key counts; it has one.
inline key_place place_of(const transaction& row) {
  return {.user = row.user, .by_player = row.by.is_player(), .key = row.idempotency_key};
}

namespace detail {

inline constexpr std::array<std::string_view, 5> kinds = {"deposit", "purchase", "use", "refund", "grant"};
inline constexpr std::array<std::string_view, 3> statuses = {"pending", "completed", "failed"};

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

inline std::int64_t microseconds_of(timestamp time) noexcept { return time.time_since_epoch().count(); }

}  // namespace detail

inline std::string_view to_string(transaction_kind kind) noexcept { return detail::name_of(detail::kinds, kind); }
inline std::string_view to_string(transaction_status status) noexcept {
  return detail::name_of(detail::statuses, status);
}

/// The kind or status spelled `text`, or nullopt.
inline std::optional<transaction_kind> transaction_kind_from_string(std::string_view text) noexcept {
  return detail::value_of<transaction_kind>(detail::kinds, text);
}

inline std::optional<transaction_status> transaction_status_from_string(std::string_view text) noexcept {
  return detail::value_of<transaction_status>(detail::statuses, text);
}

/// Why the row failed, as it is stored; empty for one that did not.
inline std::string_view reason_of(const transaction& row) noexcept {
  return row.reason ? to_string(*row.reason) : std::string_view{row.newer_reason};
}

/// The refusal of a purchase that wants more pieces than there are.
inline error sold_out(std::int64_t requested, std::int64_t available) {
  return error{errc::sold_out}.with("requested", requested).with("available", available);
}

/// Whether the row is a grant that takes.
inline bool takes_away(const transaction& row) noexcept {
  return row.kind == transaction_kind::grant && row.details.takes();
}

/// Of a refund: the version of the purchase or deposit.
inline std::optional<std::int64_t> refunded_version(const transaction& row) noexcept {
  return row.kind == transaction_kind::refund ? row.details.refunded() : std::nullopt;
}

/// Of a completed refund: the units that had been used up, of a deposit the credits that had been spent, and were not
/// taken back.
inline std::optional<std::int64_t> missing_of(const transaction& row) noexcept {
  const bool done = row.kind == transaction_kind::refund && row.status == transaction_status::completed;
  return done ? row.details.missing() : std::nullopt;
}

/// The refusal a failed row stands for, with the numbers a client needs; nothing for any other row. A pure function of
/// the row: a replay is word for word the first answer.
inline std::optional<error> refusal_of(const transaction& row) {
  if (row.status != transaction_status::failed) {
    return std::nullopt;
  }
  if (!row.reason) {
    return error{
        errc::unavailable,
        "A newer version of this server refused it, for a reason that this one does not know: " + row.newer_reason};
  }
  error refusal{*row.reason};
  switch (*row.reason) {
    case errc::insufficient_funds:
      return std::move(refusal)
          .with("required", on_the_wire(row.amount))
          .with("available", row.details.there().value_or(row.balance_after.value));
    case errc::not_enough_items:
      return std::move(refusal)
          .with("required", row.quantity)
          .with("available", row.details.there().value_or(row.item_quantity_after.value_or(0)));
    case errc::price_changed:
      return std::move(refusal).with("current_price", row.amount.value / std::max<std::int64_t>(row.quantity, 1));
    case errc::sold_out:
      return sold_out(row.quantity, row.details.units_left().value_or(0));
    case errc::not_refundable:
      return std::move(refusal)
          .with("requested", row.product ? row.quantity : on_the_wire(row.amount))
          .with("refundable", row.details.refundable().value_or(0));
    case errc::limit_reached:
      return std::move(refusal)
          .with("limit", row.details.limit().value_or(max_json_integer))
          .with("bought", row.details.bought().value_or(row.item_quantity_after.value_or(0)))
          .with("requested", row.quantity);
    case errc::not_on_sale:
      refusal.detail = row.details.sale_starts() && detail::microseconds_of(row.created_at) < *row.details.sale_starts()
                           ? "The sale of this product has not started."
                           : "The sale of this product is over.";
      return std::move(refusal)
          .with_time("sale_starts_at", row.details.sale_starts())
          .with_time("sale_ends_at", row.details.sale_ends());
    case errc::balance_limit_exceeded:
      return std::move(refusal)
          .with("balance", row.details.there().value_or(row.balance_after.value))
          .with("limit", max_credits.value);
    default:
      return refusal;
  }
}

}  // namespace coffer::domain
