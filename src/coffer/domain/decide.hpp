// Every rule of the economy, as one pure function over a batch. No I/O, no clock, no randomness.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "coffer/base/assert.hpp"
#include "coffer/domain/batch_state.hpp"

namespace coffer::domain {

/// What a row says besides who, when and why.
struct row_numbers {
  std::int64_t quantity = 0;
  credits amount = {};
  std::optional<std::int64_t> owned = std::nullopt;  ///< units of the product afterwards
  row_details details = {};
};

/// Why a purchase is refused.
struct purchase_refusal {
  errc reason;
  row_details details;
};

namespace detail {

inline auto sale_hour(timestamp bought_at, product_id product) {
  return std::tuple{std::chrono::floor<std::chrono::hours>(bought_at), product};
}

/// Rows of a sorted vector as they were, or that they were not there.
template <typename Row, typename Key>
class saved_rows {
 public:
  void save(std::vector<Row>& rows, const Key& key) {
    const auto at = find_sorted(rows, key);
    const bool is_there = at != rows.end() && order(*at) == key;
    saved_.emplace_back(key, is_there ? std::optional{*at} : std::nullopt);
  }

  void restore(std::vector<Row>& rows) const {
    for (const auto& [key, row] : saved_) {
      const auto at = find_sorted(rows, key);
      const bool is_there = at != rows.end() && order(*at) == key;
      if (is_there && row) {
        *at = *row;
      } else if (is_there) {
        rows.erase(at);
      }
    }
  }

 private:
  std::vector<std::pair<Key, std::optional<Row>>> saved_;
};

template <typename Row>
using saved = saved_rows<Row, decltype(order(std::declval<const Row&>()))>;

}  // namespace detail

/// What a group may change, as it was before.
struct touched_rows {
  detail::saved<wallet> wallets;
  detail::saved<holding> holdings;
  detail::saved<product_stock> stocks;
  detail::saved<refund_count> refunds;
  detail::saved<sale> sales;
  detail::saved<refunded_sale> refunded_sales;
  std::size_t new_rows = 0;
};

/// Decides commands one after the other over a state that it changes.
class decision_maker {
 public:
  decision_maker(batch_state& state, std::size_t commands) : state_{state} { effects_.verdicts.reserve(commands); }

  void decide_next(const command& c) { effects_.verdicts.push_back(decide_one(c)); }

  /// All of `group` happens or, but for the row of what was refused, nothing.
  void decide_together(std::span<const command* const> group);

  batch_effects finish() && { return std::move(effects_); }

 private:
  // Keys, groups and rows.
  std::size_t refused_before(std::span<const command* const> group) const;
  touched_rows before(std::span<const command* const> group);
  void undo(std::span<const command* const> group, const touched_rows& before, std::size_t first);
  std::optional<std::int64_t> what_was_there(const command& c, const transaction& row);
  void record_refusal(const command& c, transaction& row, std::size_t place, std::optional<std::int64_t> there);
  const transaction* find_earlier(const command& c) const;
  verdict decide_one(const command& c);
  verdict append(const command& c, wallet& user_wallet, std::optional<errc> reason, const row_numbers& numbers);

  // What each kind of command does and what refuses it.
  verdict deposit(const command& c, wallet& user_wallet);
  verdict purchase(const command& c, wallet& user_wallet);
  std::optional<purchase_refusal> refuse_purchase(const command& c, const wallet& user_wallet,
                                                  const product_terms& terms, const holding& owned,
                                                  const product_stock* stock, credits total) const;
  verdict use(const command& c, wallet& user_wallet);
  verdict grant_credits(const command& c, wallet& user_wallet);
  verdict grant_items(const command& c, wallet& user_wallet);
  verdict refund(const command& c, wallet& user_wallet);
  verdict take_back(const command& c, wallet& user_wallet);
  void count_sale(product_id product, std::int64_t units, credits total);
  void count_refunded_sale(product_id product, timestamp bought_at, bool all_of_it, std::int64_t units, credits total);

  batch_state& state_;
  batch_effects effects_;
  /// Keys first seen in this batch; the views point into the commands, which outlive this.
  std::map<key_place, std::size_t> keyed_now_;
};

namespace detail {

inline error one_permanent_at_a_time(std::int64_t quantity) {
  error e{errc::validation_failed};
  e.fields.push_back({.pointer = "#/quantity",
                      .code = "permanent_quantity",
                      .detail = "must be 1: a permanent product is owned once",
                      .params = {{"maximum", 1}, {"actual", quantity}}});
  return e;
}

inline error newer_type() {
  return {errc::unavailable, "The product is of a type that only a newer version of the server knows."};
}

/// Somebody deleted it in the database.
inline error no_stock() {
  return {errc::unavailable, "The product is limited and has no stock in the database; setting its stock makes one."};
}

}  // namespace detail

inline verdict decision_maker::deposit(const command& c, wallet& user_wallet) {
  const row_numbers numbers{.amount = c.amount};
  if (c.amount.value > max_credits.value - user_wallet.balance.value) {
    return append(c, user_wallet, errc::balance_limit_exceeded, numbers);
  }
  user_wallet.balance.value += c.amount.value;
  return append(c, user_wallet, std::nullopt, numbers);
}

inline verdict decision_maker::purchase(const command& c, wallet& user_wallet) {
  const product_terms* terms = state_.find_product(*c.product);
  if (terms == nullptr) {
    return std::unexpected(errc::product_not_found);
  }
  if (!is_known(terms->type)) {
    return std::unexpected(detail::newer_type());
  }
  if (terms->type == product_type::permanent && c.quantity != 1) {
    return std::unexpected(detail::one_permanent_at_a_time(c.quantity));
  }
  product_stock* stock = terms->is_limited ? state_.find_stock(*c.product) : nullptr;
  if (terms->is_limited && stock == nullptr) {
    return std::unexpected(detail::no_stock());
  }
  holding& owned = state_.holding_of(c.user, *c.product);
  row_numbers numbers{.quantity = c.quantity, .amount = total_price(terms->price, c.quantity)};
  if (const auto why = refuse_purchase(c, user_wallet, *terms, owned, stock, numbers.amount)) {
    numbers.owned = owned.quantity;
    numbers.details = why->details;
    return append(c, user_wallet, why->reason, numbers);
  }
  user_wallet.balance.value -= numbers.amount.value;
  owned.quantity += c.quantity;
  owned.bought += c.quantity;
  owned.purchased_at = state_.time;
  owned.changed = true;
  count_sale(*c.product, c.quantity, numbers.amount);
  if (stock != nullptr) {
    stock->sold += c.quantity;
    stock->changed = true;
    numbers.details = row_details::of_stock(stock->sold);
  }
  numbers.owned = owned.quantity;
  return append(c, user_wallet, std::nullopt, numbers);
}

/// The first rule that the purchase breaks, in the order that decide() documents.
inline std::optional<purchase_refusal> decision_maker::refuse_purchase(const command& c, const wallet& user_wallet,
                                                                       const product_terms& terms, const holding& owned,
                                                                       const product_stock* stock,
                                                                       credits total) const {
  if (!terms.is_active) {
    return purchase_refusal{errc::product_inactive, {}};
  }
  if ((terms.sale_starts_at && state_.time < *terms.sale_starts_at) ||
      (terms.sale_ends_at && state_.time >= *terms.sale_ends_at)) {
    return purchase_refusal{errc::not_on_sale, row_details::of_sale(terms.sale_starts_at, terms.sale_ends_at)};
  }
  if (c.expected_price && *c.expected_price != terms.price) {
    return purchase_refusal{errc::price_changed, {}};
  }
  if (terms.type == product_type::permanent && owned.quantity > 0) {
    return purchase_refusal{errc::already_owned, {}};
  }
  if (owned.quantity > max_json_integer - c.quantity || owned.bought > max_json_integer - c.quantity) {
    return purchase_refusal{errc::limit_reached, row_details::of_limit(max_json_integer, owned.bought)};
  }
  if (terms.per_user_limit && owned.bought + c.quantity > *terms.per_user_limit) {
    return purchase_refusal{errc::limit_reached, row_details::of_limit(*terms.per_user_limit, owned.bought)};
  }
  if (stock != nullptr && stock->remaining() < c.quantity) {
    return purchase_refusal{errc::sold_out, row_details::of_sold_out(stock->remaining())};
  }
  if (total > user_wallet.balance) {
    return purchase_refusal{errc::insufficient_funds, {}};
  }
  return std::nullopt;
}

inline verdict decision_maker::use(const command& c, wallet& user_wallet) {
  const product_terms* terms = state_.find_product(*c.product);
  if (terms == nullptr) {
    return std::unexpected(errc::product_not_found);
  }
  if (!is_known(terms->type)) {
    return std::unexpected(detail::newer_type());
  }
  holding& owned = state_.holding_of(c.user, *c.product);
  row_numbers numbers{.quantity = c.quantity, .owned = owned.quantity};
  if (terms->type == product_type::permanent) {
    return append(c, user_wallet, errc::not_consumable, numbers);
  }
  if (owned.quantity < c.quantity) {
    return append(c, user_wallet, errc::not_enough_items, numbers);
  }
  owned.quantity -= c.quantity;
  owned.changed = true;
  numbers.owned = owned.quantity;
  return append(c, user_wallet, std::nullopt, numbers);
}

inline verdict decision_maker::grant_credits(const command& c, wallet& user_wallet) {
  row_numbers numbers{.amount = {c.amount.value < 0 ? -c.amount.value : c.amount.value}};
  if (c.amount.value < 0) {
    numbers.details = row_details::of_taking();
    if (numbers.amount > user_wallet.balance) {
      return append(c, user_wallet, errc::insufficient_funds, numbers);
    }
  } else if (c.amount.value > max_credits.value - user_wallet.balance.value) {
    return append(c, user_wallet, errc::balance_limit_exceeded, numbers);
  }
  user_wallet.balance.value += c.amount.value;
  return append(c, user_wallet, std::nullopt, numbers);
}

inline verdict decision_maker::grant_items(const command& c, wallet& user_wallet) {
  const product_terms* terms = state_.find_product(*c.product);
  if (terms == nullptr) {
    return std::unexpected(errc::product_not_found);
  }
  if (!is_known(terms->type)) {
    return std::unexpected(detail::newer_type());
  }
  const std::int64_t units = c.quantity < 0 ? -c.quantity : c.quantity;
  if (terms->type == product_type::permanent && units != 1) {
    return std::unexpected(detail::one_permanent_at_a_time(c.quantity));
  }
  holding& owned = state_.holding_of(c.user, *c.product);
  row_numbers numbers{.quantity = units, .owned = owned.quantity};
  if (c.quantity < 0) {
    numbers.details = row_details::of_taking();
    if (owned.quantity < units) {
      return append(c, user_wallet, errc::not_enough_items, numbers);
    }
  } else {
    if (terms->type == product_type::permanent && owned.quantity > 0) {
      return append(c, user_wallet, errc::already_owned, numbers);
    }
    if (owned.quantity > max_json_integer - units) {
      numbers.details = row_details::of_limit(max_json_integer, owned.quantity);
      return append(c, user_wallet, errc::limit_reached, numbers);
    }
    owned.purchased_at = state_.time;
  }
  owned.quantity += c.quantity;
  owned.changed = true;
  numbers.owned = owned.quantity;
  return append(c, user_wallet, std::nullopt, numbers);
}

/// Units that a refund could give back in `state`; 0 when it is about no completed purchase.
inline std::int64_t refundable_units(batch_state& state, const command& refund) {
  if (refund.purchase.quantity == 0) {
    return 0;
  }
  const std::int64_t left = refund.purchase.quantity - state.refund_of(refund.user, refund.purchase.at).units;
  return refund.force ? left : std::min(left, state.holding_of(refund.user, *refund.product).quantity);
}

inline verdict decision_maker::refund(const command& c, wallet& user_wallet) {
  const purchase_to_refund& bought = c.purchase;
  if (state_.has_lost(c)) {
    return std::unexpected(errc::transaction_not_found);
  }
  if (bought.is_deposit) {
    return take_back(c, user_wallet);
  }
  row_numbers numbers{.details = row_details::of_refused_refund(bought.at, std::nullopt)};
  if (bought.quantity == 0) {
    numbers.details = row_details::of_refused_refund(bought.at, 0);
    if (c.product) {
      numbers.quantity = c.quantity != 0 ? c.quantity : bought.units;
      numbers.owned = state_.holding_of(c.user, *c.product).quantity;
    } else {
      numbers.amount = bought.amount;
    }
    return append(c, user_wallet, errc::not_refundable, numbers);
  }
  const product_terms* terms = state_.find_product(*c.product);
  if (terms == nullptr) {
    return std::unexpected(errc::product_not_found);  // somebody deleted it in the database
  }
  product_stock* stock = terms->is_limited && bought.from_stock ? state_.find_stock(*c.product) : nullptr;
  if (terms->is_limited && bought.from_stock && stock == nullptr) {
    return std::unexpected(detail::no_stock());
  }
  holding& owned = state_.holding_of(c.user, *c.product);
  refund_count& before = state_.refund_of(c.user, bought.at);
  const std::int64_t left = bought.quantity - before.units;
  const std::int64_t possible = refundable_units(state_, c);
  // Without a number all that can be is asked for; where nothing can be, all that is left, or that there was.
  std::int64_t wanted = c.quantity;
  for (const std::int64_t all : {possible, left, bought.quantity}) {
    wanted = wanted == 0 ? all : wanted;
  }
  numbers.quantity = wanted;
  numbers.owned = owned.quantity;
  // The purchase's amount is its price times its quantity.
  numbers.amount = total_price({bought.amount.value / bought.quantity}, wanted);
  if (left == 0) {
    numbers.details = row_details::of_refused_refund(bought.at, 0);
    return append(c, user_wallet, errc::already_refunded, numbers);
  }
  if (wanted > possible) {
    numbers.details = row_details::of_refused_refund(bought.at, possible);
    return append(c, user_wallet, errc::not_refundable, numbers);
  }
  if (numbers.amount.value > max_credits.value - user_wallet.balance.value) {
    return append(c, user_wallet, errc::balance_limit_exceeded, numbers);
  }
  const std::int64_t taken = std::min(wanted, owned.quantity);
  numbers.details = row_details::of_refund(bought.at, wanted - taken);
  user_wallet.balance.value += numbers.amount.value;
  owned.quantity -= taken;
  owned.bought -= wanted;
  owned.changed = true;
  before.units += wanted;
  before.changed = true;
  count_refunded_sale(*c.product, bought.bought_at, before.units == bought.quantity, wanted, numbers.amount);
  if (stock != nullptr) {
    // The pieces are on sale once more. What was sold stays so: the purchases' numbers go on from there.
    stock->supply += taken;
    stock->changed = true;
  }
  numbers.owned = owned.quantity;
  return append(c, user_wallet, std::nullopt, numbers);
}

inline verdict decision_maker::take_back(const command& c, wallet& user_wallet) {
  const credits deposited = c.purchase.amount;
  row_numbers numbers{.amount = deposited, .details = row_details::of_refused_refund(c.purchase.at, 0)};
  refund_count& before = state_.refund_of(c.user, c.purchase.at);
  if (before.units != 0) {
    return append(c, user_wallet, errc::already_refunded, numbers);
  }
  const credits there = std::min(user_wallet.balance, deposited);
  if (there < deposited && !c.up_to) {
    numbers.details = row_details::of_refused_refund(c.purchase.at, there.value);
    return append(c, user_wallet, errc::not_refundable, numbers);
  }
  numbers.amount = there;
  numbers.details = row_details::of_refund(c.purchase.at, deposited.value - there.value);
  user_wallet.balance.value -= there.value;
  before.units = deposited.value;
  before.changed = true;
  return append(c, user_wallet, std::nullopt, numbers);
}

inline void decision_maker::count_sale(product_id product, std::int64_t units, credits total) {
  auto at = detail::find_sorted(effects_.sales, product);
  if (at == effects_.sales.end() || at->product != product) {
    at = effects_.sales.insert(at, sale{.product = product});
  }
  at->purchases += 1;
  at->units += units;
  at->revenue = saturating_add(at->revenue, total.value);
}

inline void decision_maker::count_refunded_sale(product_id product, timestamp bought_at, bool all_of_it,
                                                std::int64_t units, credits total) {
  const auto key = detail::sale_hour(bought_at, product);
  auto& all = effects_.refunded_sales;
  auto at = detail::find_sorted(all, key);
  if (at == all.end() || detail::order(*at) != key) {
    at = all.insert(at, refunded_sale{.hour = std::get<0>(key), .product = product});
  }
  at->purchases += all_of_it ? 1 : 0;
  at->units += units;
  at->revenue = saturating_add(at->revenue, total.value);
}

namespace detail {

inline bool is_refusal(const verdict& v) { return !v || v->row.status == transaction_status::failed; }

}  // namespace detail

inline void decision_maker::decide_together(std::span<const command* const> group) {
  const std::size_t first = effects_.verdicts.size();
  std::size_t refused = refused_before(group);
  verdict why = std::unexpected(errc::not_executed);
  if (refused < group.size()) {
    why = decide_one(*group[refused]);
  } else {
    const touched_rows rows_before = before(group);
    for (refused = 0; refused < group.size(); ++refused) {
      decide_next(*group[refused]);
      if (detail::is_refusal(effects_.verdicts.back())) {
        break;
      }
    }
    if (refused == group.size()) {
      return;
    }
    why = std::move(effects_.verdicts.back());
    const bool records = why && !why->replayed;
    const auto there = records ? what_was_there(*group[refused], why->row) : std::nullopt;
    undo(group, rows_before, first);
    if (records) {
      record_refusal(*group[refused], why->row, first + refused, there);
    }
  }
  effects_.verdicts.resize(first + group.size(), std::unexpected(errc::not_executed));
  effects_.verdicts[first + refused] = std::move(why);
}

/// The first command of a group whose key already stands for a refusal or for another request; the size of the group
/// when there is none.
inline std::size_t decision_maker::refused_before(std::span<const command* const> group) const {
  for (std::size_t i = 0; i < group.size(); ++i) {
    const command& c = *group[i];
    const transaction* earlier = c.idempotency_key.empty() ? nullptr : find_earlier(c);
    if (earlier != nullptr && (earlier->print != c.print || earlier->status == transaction_status::failed)) {
      return i;
    }
  }
  return group.size();
}

/// The rows that the group may change, as they are now. It is one user's.
inline touched_rows decision_maker::before(std::span<const command* const> group) {
  touched_rows rows;
  rows.new_rows = effects_.new_rows.size();
  rows.wallets.save(state_.wallets, group.front()->user);
  for (const command* c : group) {
    if (c->product) {
      rows.holdings.save(state_.holdings, std::tuple{c->user, *c->product});
      rows.stocks.save(state_.stocks, *c->product);
      rows.sales.save(effects_.sales, *c->product);
    }
    if (c->kind == transaction_kind::refund) {
      rows.refunds.save(state_.refunds, std::tuple{c->user, c->purchase.at});
      if (c->product) {
        rows.refunded_sales.save(effects_.refunded_sales, detail::sale_hour(c->purchase.bought_at, *c->product));
      }
    }
  }
  return rows;
}

/// As if no command of the group had been decided; `first`: the verdict of its first one.
inline void decision_maker::undo(std::span<const command* const> group, const touched_rows& before, std::size_t first) {
  before.wallets.restore(state_.wallets);
  before.holdings.restore(state_.holdings);
  before.stocks.restore(state_.stocks);
  before.refunds.restore(state_.refunds);
  before.sales.restore(effects_.sales);
  before.refunded_sales.restore(effects_.refunded_sales);
  effects_.new_rows.resize(before.new_rows);
  effects_.verdicts.resize(first, std::unexpected(errc::not_executed));
  for (const command* c : group) {
    const auto known = c->idempotency_key.empty() ? keyed_now_.end() : keyed_now_.find(place_of(*c));
    if (known != keyed_now_.end() && known->second >= first) {
      keyed_now_.erase(known);
    }
  }
}

/// The number that refused `c`, of those that the wallet without its group may have otherwise; nullopt when the row's
/// details have it.
inline std::optional<std::int64_t> decision_maker::what_was_there(const command& c, const transaction& row) {
  switch (*row.reason) {
    case errc::insufficient_funds:
    case errc::balance_limit_exceeded:
      return state_.find_wallet(c.user)->balance.value;
    case errc::not_enough_items:
      return state_.holding_of(c.user, *c.product).quantity;
    default:
      return std::nullopt;
  }
}

/// Makes the row of a refused group one of the state that the group leaves behind; `there`: what_was_there() for it
/// inside the group.
inline void decision_maker::record_refusal(const command& c, transaction& row, std::size_t place,
                                           std::optional<std::int64_t> there) {
  wallet& user_wallet = *state_.find_wallet(c.user);
  if (there && there != what_was_there(c, row)) {
    row.details.set_there(*there);
  }
  user_wallet.at.value += 1;
  user_wallet.changed = true;
  row.at = user_wallet.at;
  row.balance_after = user_wallet.balance;
  if (row.item_quantity_after && row.product) {
    row.item_quantity_after = state_.holding_of(c.user, *row.product).quantity;
  }
  if (!c.idempotency_key.empty()) {
    keyed_now_.emplace(place_of(c), place);
  }
  effects_.new_rows.push_back(place);
}

inline verdict decision_maker::decide_one(const command& c) {
  wallet* user_wallet = state_.find_wallet(c.user);
  if (user_wallet == nullptr) {
    return std::unexpected(errc::user_not_found);
  }
  if (!c.idempotency_key.empty()) {
    if (const transaction* earlier = find_earlier(c)) {
      if (earlier->print != c.print) {
        return std::unexpected(errc::idempotency_key_reused);
      }
      return decision{.row = *earlier, .replayed = true};
    }
  }
  switch (c.kind) {
    case transaction_kind::deposit:
      return deposit(c, *user_wallet);
    case transaction_kind::purchase:
      return purchase(c, *user_wallet);
    case transaction_kind::use:
      return use(c, *user_wallet);
    case transaction_kind::refund:
      return refund(c, *user_wallet);
    case transaction_kind::grant:
      return c.product ? grant_items(c, *user_wallet) : grant_credits(c, *user_wallet);
  }
  assertion_failed("a command of this kind has no rule");
}

/// A journal row of what the state is now: completed, or failed for a reason.
inline verdict decision_maker::append(const command& c, wallet& user_wallet, std::optional<errc> reason,
                                      const row_numbers& numbers) {
  user_wallet.at.value += 1;
  user_wallet.changed = true;
  decision made;
  transaction& row = made.row;
  row.user = c.user;
  row.at = user_wallet.at;
  row.kind = c.kind;
  row.status = reason ? transaction_status::failed : transaction_status::completed;
  row.product = c.product;
  row.quantity = numbers.quantity;
  row.amount = numbers.amount;
  row.balance_after = user_wallet.balance;
  row.item_quantity_after = numbers.owned;
  row.reason = reason;
  row.details = numbers.details;
  row.note = c.note;
  row.note_public = c.note_public;
  row.idempotency_key = c.idempotency_key;
  if (!c.idempotency_key.empty()) {
    row.print = c.print;
    keyed_now_.emplace(place_of(c), effects_.verdicts.size());
  }
  row.request_id = c.request_id;
  row.by = c.by;
  row.created_at = state_.time;
  effects_.new_rows.push_back(effects_.verdicts.size());
  return made;
}

inline const transaction* decision_maker::find_earlier(const command& c) const {
  if (const transaction* in_journal = state_.find_keyed(place_of(c))) {
    return in_journal;
  }
  const auto in_batch = keyed_now_.find(place_of(c));
  return in_batch == keyed_now_.end() ? nullptr : &effects_.verdicts[in_batch->second]->row;
}

/// Decides `commands` in order over `state`, which it changes, and says what became of each.
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
///   with `up_to` as much as is there, and what is missing is recorded.
/// - A refund of a purchase gives back units of one purchase at the price that was paid, each unit once
///   (already_refunded), as far as they are still owned (not_refundable); with `force` also those that are used up. It
///   gives the units it takes back to the stock of a limited product, and all of them to the buyer's limit. Its product
///   must be in `state` (asserted).
/// Afterwards the wallets, holdings, stocks and refunds marked `changed` are what must be written.
inline batch_effects decide(std::span<const command* const> commands, batch_state& state) {
  decision_maker maker{state, commands.size()};
  for (std::size_t i = 0; i < commands.size(); i += commands[i]->together) {
    const std::size_t count = commands[i]->together;
    COFFER_ASSERT(count >= 1 && count <= commands.size() - i);
    if (count == 1) {
      maker.decide_next(*commands[i]);
    } else {
      maker.decide_together(commands.subspan(i, count));
    }
  }
  return std::move(maker).finish();
}

}  // namespace coffer::domain
