// Reads journal rows out of a query's result.
#pragma once

#include <algorithm>
#include <cstring>

#include "coffer/domain/transaction.hpp"
#include "coffer/pg/rows.hpp"

/// What a statement selects of `transactions t` so that read_transaction() can read it; other columns come behind. A
/// macro, because statements are literals.
#define COFFER_TRANSACTION_COLUMNS                                                                  \
  " t.user_id, t.version, t.kind, t.status, t.product_id, t.quantity, t.amount, t.balance_after,"   \
  " t.item_quantity_after, t.reason, t.idempotency_key, t.fingerprint, t.request_id, t.created_at," \
  " t.detail_1, t.detail_2, t.note, t.actor, t.note_public"

namespace coffer::store {

namespace detail {

inline std::optional<domain::fingerprint> read_fingerprint(const pg::rows& result, int row, int column) {
  if (result.is_null(row, column)) {
    return std::nullopt;
  }
  const auto bytes = result.bytes(row, column);
  domain::fingerprint print{};
  // One of another length is of a newer version, and equals none of ours.
  std::memcpy(print.data(), bytes.data(), std::min(bytes.size(), print.size()));
  return print;
}

}  // namespace detail

/// The journal row in line `row` of `result`. Copies; nothing refers to `result` afterwards.
inline domain::transaction read_transaction(const pg::rows& result, int row) {
  domain::transaction t;
  t.user = user_id{result.int64(row, 0)};
  t.at = version{result.int64(row, 1)};
  t.kind = static_cast<domain::transaction_kind>(result.int16(row, 2));
  t.status = static_cast<domain::transaction_status>(result.int16(row, 3));
  if (!result.is_null(row, 4)) {
    t.product = product_id{result.int64(row, 4)};
  }
  t.quantity = result.int64(row, 5);
  t.amount = domain::credits{result.int64(row, 6)};
  t.balance_after = domain::credits{result.int64(row, 7)};
  if (!result.is_null(row, 8)) {
    t.item_quantity_after = result.int64(row, 8);
  }
  if (!result.is_null(row, 9)) {
    t.reason = errc_from_string(result.text(row, 9));
    if (!t.reason) {
      t.newer_reason = std::string{result.text(row, 9)};
    }
  }
  if (!result.is_null(row, 10)) {
    t.idempotency_key = std::string{result.text(row, 10)};
  }
  t.print = detail::read_fingerprint(result, row, 11);
  t.request_id = std::string{result.text(row, 12)};
  t.created_at = result.time(row, 13);
  t.details = domain::row_details::from_columns(result.optional_int64(row, 14), result.optional_int64(row, 15));
  t.note = std::string{result.optional_text(row, 16).value_or("")};
  t.by = domain::actor::from_stored(result.optional_int64(row, 17));
  t.note_public = !result.is_null(row, 18) && result.boolean(row, 18);
  return t;
}

}  // namespace coffer::store
