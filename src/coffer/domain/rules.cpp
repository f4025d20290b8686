// What each kind of command does, and what refuses it. The order in which rules are looked at is documented at
// decide().
#include <algorithm>

#include "coffer/domain/walk.hpp"

namespace coffer::domain {

namespace {

error one_permanent_at_a_time(std::int64_t quantity) {
  error e{errc::validation_failed};
  e.fields.push_back({.pointer = "#/quantity",
                      .code = "permanent_quantity",
                      .detail = "must be 1: a permanent product is owned once",
                      .params = {{"maximum", 1}, {"actual", quantity}}});
  return e;
}

error newer_type() {
  return {errc::unavailable, "The product is of a type that only a newer version of the server knows."};
}

/// Somebody deleted it in the database.
error no_stock() {
  return {errc::unavailable, "The product is limited and has no stock in the database; setting its stock makes one."};
}

std::optional<std::int64_t> microseconds_of(std::optional<timestamp> time) {
  return time ? std::optional{time->time_since_epoch().count()} : std::nullopt;
}

}  // namespace

verdict walk::deposit(const command& c, wallet& purse) {
  const row_numbers numbers{.amount = c.amount};
  if (c.amount.value > max_credits.value - purse.balance.value) {
    return append(c, purse, errc::balance_limit_exceeded, numbers);
  }
  purse.balance.value += c.amount.value;
  return append(c, purse, std::nullopt, numbers);
}

verdict walk::purchase(const command& c, wallet& purse) {
  const product_terms* terms = state_.find_product(*c.product);
  if (terms == nullptr) {
    return std::unexpected(errc::product_not_found);
  }
  if (!is_known(terms->type)) {
    return std::unexpected(newer_type());
  }
  if (terms->type == product_type::permanent && c.quantity != 1) {
    return std::unexpected(one_permanent_at_a_time(c.quantity));
  }
  product_stock* stock = terms->is_limited ? state_.find_stock(*c.product) : nullptr;
  if (terms->is_limited && stock == nullptr) {
    return std::unexpected(no_stock());
  }
  holding& owned = state_.holding_of(c.user, *c.product);
  row_numbers numbers{.quantity = c.quantity, .amount = total_price(terms->price, c.quantity)};
  if (const auto why = refuse_purchase(c, purse, *terms, owned, stock, numbers.amount)) {
    numbers.owned = owned.quantity;
    numbers.details = why->numbers;
    return append(c, purse, why->reason, numbers);
  }
  purse.balance.value -= numbers.amount.value;
  owned.quantity += c.quantity;
  owned.bought += c.quantity;
  owned.purchased_at = state_.time;
  owned.changed = true;
  count_sale(*c.product, c.quantity, numbers.amount);
  if (stock != nullptr) {
    stock->sold += c.quantity;
    stock->changed = true;
    numbers.details.first = stock->sold;
  }
  numbers.owned = owned.quantity;
  return append(c, purse, std::nullopt, numbers);
}

/// The first rule that the purchase breaks, in the order that decide.hpp documents.
std::optional<purchase_refusal> walk::refuse_purchase(const command& c, const wallet& purse, const product_terms& terms,
                                                      const holding& owned, const product_stock* stock,
                                                      credits total) const {
  if (!terms.is_active) {
    return purchase_refusal{errc::product_inactive, {}};
  }
  if ((terms.sale_starts_at && state_.time < *terms.sale_starts_at) ||
      (terms.sale_ends_at && state_.time >= *terms.sale_ends_at)) {
    return purchase_refusal{errc::not_on_sale,
                            {microseconds_of(terms.sale_starts_at), microseconds_of(terms.sale_ends_at)}};
  }
  if (c.expected_price && *c.expected_price != terms.price) {
    return purchase_refusal{errc::price_changed, {}};
  }
  if (terms.type == product_type::permanent && owned.quantity > 0) {
    return purchase_refusal{errc::already_owned, {}};
  }
  if (owned.quantity > max_json_integer - c.quantity || owned.bought > max_json_integer - c.quantity) {
    return purchase_refusal{errc::limit_reached, {max_json_integer, owned.bought}};
  }
  if (terms.per_user_limit && owned.bought + c.quantity > *terms.per_user_limit) {
    return purchase_refusal{errc::limit_reached, {terms.per_user_limit, owned.bought}};
  }
  if (stock != nullptr && stock->remaining() < c.quantity) {
    return purchase_refusal{errc::sold_out, {stock->remaining(), std::nullopt}};
  }
  if (total > purse.balance) {
    return purchase_refusal{errc::insufficient_funds, {}};
  }
  return std::nullopt;
}

verdict walk::use(const command& c, wallet& purse) {
  const product_terms* terms = state_.find_product(*c.product);
  if (terms == nullptr) {
    return std::unexpected(errc::product_not_found);
  }
  if (!is_known(terms->type)) {
    return std::unexpected(newer_type());
  }
  holding& owned = state_.holding_of(c.user, *c.product);
  row_numbers numbers{.quantity = c.quantity, .owned = owned.quantity};
  if (terms->type == product_type::permanent) {
    return append(c, purse, errc::not_consumable, numbers);
  }
  if (owned.quantity < c.quantity) {
    return append(c, purse, errc::not_enough_items, numbers);
  }
  owned.quantity -= c.quantity;
  owned.changed = true;
  numbers.owned = owned.quantity;
  return append(c, purse, std::nullopt, numbers);
}

verdict walk::grant_credits(const command& c, wallet& purse) {
  row_numbers numbers{.amount = {c.amount.value < 0 ? -c.amount.value : c.amount.value}};
  if (c.amount.value < 0) {
    numbers.details.first = taken_away;
    if (numbers.amount > purse.balance) {
      return append(c, purse, errc::insufficient_funds, numbers);
    }
  } else if (c.amount.value > max_credits.value - purse.balance.value) {
    return append(c, purse, errc::balance_limit_exceeded, numbers);
  }
  purse.balance.value += c.amount.value;
  return append(c, purse, std::nullopt, numbers);
}

verdict walk::grant_items(const command& c, wallet& purse) {
  const product_terms* terms = state_.find_product(*c.product);
  if (terms == nullptr) {
    return std::unexpected(errc::product_not_found);
  }
  if (!is_known(terms->type)) {
    return std::unexpected(newer_type());
  }
  const std::int64_t units = c.quantity < 0 ? -c.quantity : c.quantity;
  if (terms->type == product_type::permanent && units != 1) {
    return std::unexpected(one_permanent_at_a_time(c.quantity));
  }
  holding& owned = state_.holding_of(c.user, *c.product);
  row_numbers numbers{.quantity = units, .owned = owned.quantity};
  if (c.quantity < 0) {
    numbers.details.first = taken_away;
    if (owned.quantity < units) {
      return append(c, purse, errc::not_enough_items, numbers);
    }
  } else {
    if (terms->type == product_type::permanent && owned.quantity > 0) {
      return append(c, purse, errc::already_owned, numbers);
    }
    if (owned.quantity > max_json_integer - units) {
      numbers.details = {max_json_integer, owned.quantity};
      return append(c, purse, errc::limit_reached, numbers);
    }
    owned.purchased_at = state_.time;
  }
  owned.quantity += c.quantity;
  owned.changed = true;
  numbers.owned = owned.quantity;
  return append(c, purse, std::nullopt, numbers);
}

std::int64_t refundable_units(batch_state& state, const command& refund) {
  if (refund.purchase.quantity == 0) {
    return 0;
  }
  const std::int64_t left = refund.purchase.quantity - state.refund_of(refund.user, refund.purchase.at).units;
  return refund.force ? left : std::min(left, state.holding_of(refund.user, *refund.product).quantity);
}

verdict walk::refund(const command& c, wallet& purse) {
  const purchase_to_refund& bought = c.purchase;
  if (bought.is_deposit) {
    return take_back(c, purse);
  }
  row_numbers numbers{.details = {bought.at.value, std::nullopt}};
  if (bought.quantity == 0) {
    numbers.details.second = 0;
    if (c.product) {
      numbers.quantity = c.quantity != 0 ? c.quantity : bought.units;
      numbers.owned = state_.holding_of(c.user, *c.product).quantity;
    } else {
      numbers.amount = bought.amount;
    }
    return append(c, purse, errc::not_refundable, numbers);
  }
  const product_terms* terms = state_.find_product(*c.product);
  if (terms == nullptr) {
    return std::unexpected(errc::product_not_found);  // somebody deleted it in the database
  }
  product_stock* stock = terms->is_limited && bought.from_stock ? state_.find_stock(*c.product) : nullptr;
  if (terms->is_limited && bought.from_stock && stock == nullptr) {
    return std::unexpected(no_stock());
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
    numbers.details.second = 0;
    return append(c, purse, errc::already_refunded, numbers);
  }
  if (wanted > possible) {
    numbers.details.second = possible;
    return append(c, purse, errc::not_refundable, numbers);
  }
  if (numbers.amount.value > max_credits.value - purse.balance.value) {
    return append(c, purse, errc::balance_limit_exceeded, numbers);
  }
  const std::int64_t taken = std::min(wanted, owned.quantity);
  numbers.details.second = wanted - taken;
  purse.balance.value += numbers.amount.value;
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
  return append(c, purse, std::nullopt, numbers);
}

verdict walk::take_back(const command& c, wallet& purse) {
  const credits deposited = c.purchase.amount;
  row_numbers numbers{.amount = deposited, .details = {c.purchase.at.value, 0}};
  refund_count& before = state_.refund_of(c.user, c.purchase.at);
  if (before.units != 0) {
    return append(c, purse, errc::already_refunded, numbers);
  }
  const credits there = std::min(purse.balance, deposited);
  if (there < deposited && !c.up_to) {
    numbers.details.second = there.value;
    return append(c, purse, errc::not_refundable, numbers);
  }
  numbers.amount = there;
  numbers.details.second = deposited.value - there.value;
  purse.balance.value -= there.value;
  before.units = deposited.value;
  before.changed = true;
  return append(c, purse, std::nullopt, numbers);
}

void walk::count_sale(product_id product, std::int64_t units, credits total) {
  auto at = std::lower_bound(effects_.sales.begin(), effects_.sales.end(), product,
                             [](const sale& s, product_id p) { return s.product < p; });
  if (at == effects_.sales.end() || at->product != product) {
    at = effects_.sales.insert(at, sale{.product = product});
  }
  at->purchases += 1;
  at->units += units;
  at->revenue = saturating_add(at->revenue, total.value);
}

void walk::count_refunded_sale(product_id product, timestamp bought_at, bool all_of_it, std::int64_t units,
                               credits total) {
  const std::pair key{std::chrono::floor<std::chrono::hours>(bought_at), product};
  const auto before = [](const refunded_sale& s, const auto& k) { return std::pair{s.hour, s.product} < k; };
  auto& all = effects_.refunded_sales;
  auto at = std::lower_bound(all.begin(), all.end(), key, before);
  if (at == all.end() || std::pair{at->hour, at->product} != key) {
    at = all.insert(at, refunded_sale{.hour = key.first, .product = product});
  }
  at->purchases += all_of_it ? 1 : 0;
  at->units += units;
  at->revenue = saturating_add(at->revenue, total.value);
}

}  // namespace coffer::domain
