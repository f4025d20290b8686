// Reads journal rows out of a query's result. Every statement that does so selects the same columns in this order:
// user_id, version, kind, status, product_id, quantity, amount, balance_after, item_quantity_after, reason,
// idempotency_key, fingerprint, request_id, created_at, detail_1, detail_2, note, actor,
// note_public.
#pragma once

#include "coffer/domain/transaction.hpp"
#include "coffer/pg/rows.hpp"

namespace coffer::store {

/// The journal row in line `row` of `result`. Copies; nothing refers to `result` afterwards.
domain::transaction read_transaction(const pg::rows& result, int row);

}  // namespace coffer::store
