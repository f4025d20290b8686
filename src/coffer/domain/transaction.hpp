// One row of the journal: the only record of everything that was decided about a user.
#pragma once

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

namespace coffer::domain {

/// The numbers are stored: never renumber.
enum class transaction_kind : std::int16_t { deposit = 1, purchase = 2, use = 3, refund = 4, grant = 5 };
/// The numbers are stored: never renumber.
enum class transaction_status : std::int16_t { pending = 1, completed = 2, failed = 3 };

/// "deposit" etc.; "unknown" for a kind or status that only a newer version knows.
std::string_view to_string(transaction_kind kind) noexcept;
std::string_view to_string(transaction_status status) noexcept;
/// The kind or status spelled `text`, or nullopt.
std::optional<transaction_kind> transaction_kind_from_string(std::string_view text) noexcept;
std::optional<transaction_status> transaction_status_from_string(std::string_view text) noexcept;

/// Digest of operation, path and canonical body: tells a retry from another request under the same key.
using fingerprint = std::array<std::byte, 16>;

/// transaction::detail_1 of a grant that takes.
inline constexpr std::int64_t taken_away = -1;

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
  std::string newer_reason;  ///< why it failed, as a newer version wrote it and this one does not know; else empty
  /// Numbers that only some rows have. Of a completed purchase that took from a stock: the units sold of it, these
  /// included. Of a refusal: sold_out: the units left; limit_reached: the limit, the units bought before;
  /// not_on_sale: start and end of the sale, microseconds since the Unix epoch. Of a grant: `taken_away`, null when it
  /// gives. Of a refund: the version of the purchase or deposit, and the units that had been used up, or the credits
  /// that had been spent, and were not taken back (of a refusal: that could have been refunded). Of a refusal in an
  /// atomic group, where balance_after or item_quantity_after differs from it: detail_2 is what was there behind the
  /// group's commands before it (insufficient_funds, balance_limit_exceeded, not_enough_items).
  std::optional<std::int64_t> detail_1;
  std::optional<std::int64_t> detail_2;
  std::string note;                  ///< what the operator gave as the reason of a grant or refund; else empty
  bool note_public = false;          ///< players see the note
  std::string idempotency_key;       ///< empty: none
  std::optional<fingerprint> print;  ///< present exactly when there is a key
  std::string request_id;
  timestamp created_at;
  actor by;  ///< who asked for it
};

/// Where the row's key counts; it has one.
inline key_place place_of(const transaction& row) {
  return {.user = row.user, .by_player = row.by.is_player(), .key = row.idempotency_key};
}

/// Of a refund: the version of the purchase or deposit.
std::optional<std::int64_t> refunded_version(const transaction& row) noexcept;

/// Of a completed refund: the units that had been used up, of a deposit the credits that had been spent, and were not
/// taken back.
std::optional<std::int64_t> missing_of(const transaction& row) noexcept;

/// Why the row failed, as it is stored; empty for one that did not.
std::string_view reason_of(const transaction& row) noexcept;

/// The refusal a failed row stands for, with the numbers a client needs. A pure function of the row: a replay is
/// word for word the first answer.
error refusal_of(const transaction& row);

/// The refusal of a purchase that wants more pieces than there are.
error sold_out(std::int64_t requested, std::int64_t available);

}  // namespace coffer::domain
