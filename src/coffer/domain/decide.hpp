// Every rule of the economy, as one pure function over a batch. No I/O, no clock, no randomness.
#pragma once

#include <span>

#include "coffer/domain/batch_state.hpp"

namespace coffer::domain {

/// Walks `commands` in order over `state`, which it changes, and says what became of each.
/// - A key that is already in the journal (or earlier in the batch) replays that row, or is refused with
///   idempotency_key_reused when the fingerprint differs. Keys of players and of servers do not meet (key_place).
/// - A business refusal (402, 409) is a journal row with status failed: it takes a version and changes nothing else.
/// - Unknown user or product and a quantity that the product's type forbids leave no row.
/// - A group (command::together) is decided in order as well, but when one of its commands is refused, or has a key
///   that is reused or stands for a refusal, nothing of the group happens: that command keeps its verdict and, if it is
///   one, its row, with what it asked for and the wallet as it is without the group, and the others are not_executed
///   and leave no row.
/// - A purchase is refused by the first of: product_inactive, not_on_sale, price_changed, already_owned, limit_reached,
///   sold_out, insufficient_funds. The sale is judged by the batch's time: it holds from its start until just before
///   its end. A limited product needs its stock in `state` (asserted).
/// - A grant follows no terms of sale: inactive products may be granted, and neither stock nor limits are touched. What
///   it takes must be there (insufficient_funds, not_enough_items).
/// - A refund of a deposit takes back what was deposited, once (already_refunded), if it is there (not_refundable);
/// with
///   `up_to` as much as is there, and what is missing is recorded.
/// - A refund of a purchase gives back units of one purchase at the price that was paid, each unit once
/// (already_refunded), as far as
///   they are still owned (not_refundable); with `force` also those that are used up. It gives the units it takes back
///   to the stock of a limited product, and all of them to the buyer's limit. Its product must be in `state`
///   (asserted).
/// Afterwards the wallets, holdings, stocks and refunds marked `changed` are what must be written.
batch_effects decide(std::span<const command* const> commands, batch_state& state);

}  // namespace coffer::domain
