// A change of one user that somebody asked for.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "coffer/domain/transaction.hpp"

namespace coffer::domain {

/// What a refund is about: a row of the journal, which never changes. A completed purchase is given back, a completed
/// deposit is taken back (a chargeback), any other row is refused.
struct purchase_to_refund {
  version at;
  std::int64_t quantity = 0;  ///< units bought; 0: the row is no completed purchase
  credits amount;             ///< paid for all of them, or deposited
  bool from_stock = false;    ///< the units were taken from a stock
  timestamp bought_at = {};
  bool is_deposit = false;  ///< the row is a completed deposit
  std::int64_t units = 0;   ///< of the row, whatever it is
};

/// What a refund of `row` is about.
inline purchase_to_refund to_refund(const transaction& row) {
  const bool completed = row.status == transaction_status::completed;
  const bool bought = completed && row.kind == transaction_kind::purchase;
  return {.at = row.at,
          .quantity = bought ? row.quantity : 0,
          .amount = row.amount,
          .from_stock = bought && row.details.units_sold(),
          .bought_at = row.created_at,
          .is_deposit = completed && row.kind == transaction_kind::deposit,
          .units = row.quantity};
}

/// A wish, not yet decided. Everything that decide() needs to know of the request.
struct command {
  transaction_kind kind = transaction_kind::purchase;
  user_id user;
  std::optional<product_id> product;  ///< set unless a deposit or grant is about credits; a refund's: of its row
  /// Units, 1..max_quantity; of a grant negative to take them, up to max_grant; of a refund 0 for all that is possible.
  std::int64_t quantity = 1;
  credits amount;                         ///< of a deposit, 1..max_credits; of a grant negative to take them
  std::optional<credits> expected_price;  ///< of a purchase: per unit; a different price is a refusal
  purchase_to_refund purchase;            ///< of a refund
  bool force = false;                     ///< of a refund: also for units that are used up
  bool up_to = false;                     ///< of a deposit's refund: as much as is there, if that is not all
  std::string note;                       ///< why an operator grants or refunds
  bool note_public = false;               ///< players see the note
  std::string idempotency_key;            ///< empty: none
  fingerprint print{};                    ///< meaningful only with a key
  std::string request_id;
  actor by;  ///< who asks
  /// On the first command of an atomic group: how many commands, this one included, happen together or not at all. They
  /// follow each other and belong to one user. 1 for every other command.
  std::size_t together = 1;
};

/// Where the command's key counts; it has one.
inline key_place place_of(const command& c) {
  return {.user = c.user, .by_player = c.by.is_player(), .key = c.idempotency_key};
}

/// Whether the command changes the stock of its product, if that is limited.
constexpr bool needs_stock(const command& c) {
  return c.product && (c.kind == transaction_kind::purchase || c.kind == transaction_kind::refund);
}

/// What became of a command: the journal row, new or (for a repeated key) the one from the first time.
struct decision {
  transaction row;
  bool replayed = false;
};

/// A decision, or a refusal that leaves no row behind (unknown user or product, reused key).
using verdict = result<decision>;

}  // namespace coffer::domain
