#include "coffer/domain/decide.hpp"

#include <algorithm>
#include <map>

#include "coffer/base/assert.hpp"

namespace coffer::domain {

namespace {

/// One walk over one batch.
class walk {
 public:
  explicit walk(batch_state& state, std::size_t commands) : state_{state} { effects_.verdicts.reserve(commands); }

  void step(const command& c) { effects_.verdicts.push_back(decide_one(c)); }

  /// All of `group` happens or, but for the row of what was refused, nothing.
  void step_together(std::span<const command* const> group) {
    const std::size_t first = effects_.verdicts.size();
    std::size_t refused = refused_before(group);
    verdict why = std::unexpected(errc::not_executed);
    if (refused < group.size()) {
      why = decide_one(*group[refused]);
    } else {
      const batch_state state_before = state_;
      batch_effects effects_before = effects_;
      auto keyed_before = keyed_now_;
      for (refused = 0; refused < group.size(); ++refused) {
        step(*group[refused]);
        if (is_refusal(effects_.verdicts.back())) {
          break;
        }
      }
      if (refused == group.size()) {
        return;
      }
      why = std::move(effects_.verdicts.back());
      const std::int64_t spent = balance_of(state_before, *group[refused]) - balance_of(state_, *group[refused]);
      state_ = state_before;
      effects_ = std::move(effects_before);
      keyed_now_ = std::move(keyed_before);
      if (why && !why->replayed) {
        record_refusal(*group[refused], why->row, first + refused, spent);
      }
    }
    effects_.verdicts.resize(first + group.size(), std::unexpected(errc::not_executed));
    effects_.verdicts[first + refused] = std::move(why);
  }

  batch_effects finish() && { return std::move(effects_); }

 private:
  /// What the row's detail_1 and detail_2 will be.
  struct row_details {
    std::optional<std::int64_t> first;
    std::optional<std::int64_t> second;
  };
  struct refusal {
    errc reason;
    row_details numbers;
  };

  static bool is_refusal(const verdict& v) { return !v || v->row.status == transaction_status::failed; }

  /// The first command of a group whose key already stands for a refusal or for another request; the size of the group
  /// when there is none.
  std::size_t refused_before(std::span<const command* const> group) const {
    for (std::size_t i = 0; i < group.size(); ++i) {
      const command& c = *group[i];
      const transaction* earlier = c.idempotency_key.empty() ? nullptr : find_earlier(c);
      if (earlier != nullptr && (earlier->print != c.print || earlier->status == transaction_status::failed)) {
        return i;
      }
    }
    return group.size();
  }

  static std::int64_t balance_of(const batch_state& state, const command& c) {
    const auto purse =
        std::find_if(state.wallets.begin(), state.wallets.end(), [&c](const wallet& w) { return w.user == c.user; });
    return purse == state.wallets.end() ? 0 : purse->balance.value;
  }

  /// Makes the row of a refused group one of the state that the group leaves behind. What is missing stays the same: a
  /// price beyond the balance is raised by what the group had spent up to there.
  void record_refusal(const command& c, transaction& row, std::size_t place, std::int64_t spent) {
    wallet& purse = *state_.find_wallet(c.user);
    purse.at.value += 1;
    purse.changed = true;
    row.at = purse.at;
    row.balance_after = purse.balance;
    if (row.reason == errc::insufficient_funds) {
      row.amount.value += spent;
    }
    if (row.item_quantity_after && row.product) {
      row.item_quantity_after = state_.holding_of(c.user, *row.product).quantity;
    }
    if (!c.idempotency_key.empty()) {
      keyed_now_.emplace(std::pair{c.user, std::string_view{c.idempotency_key}}, place);
    }
    effects_.new_rows.push_back(place);
  }

  verdict decide_one(const command& c) {
    wallet* purse = state_.find_wallet(c.user);
    if (purse == nullptr) {
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
        return deposit(c, *purse);
      case transaction_kind::purchase:
        return purchase(c, *purse);
      case transaction_kind::use:
        return use(c, *purse);
      case transaction_kind::refund:
      case transaction_kind::grant:
        break;
    }
    assertion_failed("a command of this kind has no rule");
  }

  verdict deposit(const command& c, wallet& purse) {
    if (c.amount.value > max_credits.value - purse.balance.value) {
      return refuse(c, purse, errc::balance_limit_exceeded, c.amount, std::nullopt, {});
    }
    purse.balance.value += c.amount.value;
    return record(c, purse, c.amount, std::nullopt);
  }

  verdict purchase(const command& c, wallet& purse) {
    const product_terms* terms = state_.find_product(*c.product);
    if (terms == nullptr) {
      return std::unexpected(errc::product_not_found);
    }
    if (terms->type == product_type::permanent && c.quantity != 1) {
      return std::unexpected(one_permanent_at_a_time(c.quantity));
    }
    holding& owned = state_.holding_of(c.user, *c.product);
    const credits total = total_price(terms->price, c.quantity);
    product_stock* stock = terms->is_limited ? state_.find_stock(*c.product) : nullptr;
    COFFER_ASSERT(!terms->is_limited || stock != nullptr);
    if (const auto why = purchase_refusal(c, purse, *terms, owned, stock, total)) {
      return refuse(c, purse, why->reason, total, owned.quantity, why->numbers);
    }
    purse.balance.value -= total.value;
    owned.quantity += c.quantity;
    owned.bought += c.quantity;
    owned.purchased_at = state_.time;
    owned.changed = true;
    count_sale(*c.product, c.quantity, total);
    row_details details;
    if (stock != nullptr) {
      stock->sold += c.quantity;
      stock->changed = true;
      details.first = stock->sold;
    }
    return append(c, purse, transaction_status::completed, std::nullopt, total, owned.quantity, details);
  }

  /// The first rule that the purchase breaks, in the order that decide.hpp documents.
  std::optional<refusal> purchase_refusal(const command& c, const wallet& purse, const product_terms& terms,
                                          const holding& owned, const product_stock* stock, credits total) const {
    if (!terms.is_active) {
      return refusal{errc::product_inactive, {}};
    }
    if ((terms.sale_starts_at && state_.time < *terms.sale_starts_at) ||
        (terms.sale_ends_at && state_.time >= *terms.sale_ends_at)) {
      return refusal{errc::not_on_sale, {microseconds_of(terms.sale_starts_at), microseconds_of(terms.sale_ends_at)}};
    }
    if (c.expected_price && *c.expected_price != terms.price) {
      return refusal{errc::price_changed, {}};
    }
    if (terms.type == product_type::permanent && owned.quantity > 0) {
      return refusal{errc::already_owned, {}};
    }
    if (owned.quantity > max_json_integer - c.quantity || owned.bought > max_json_integer - c.quantity) {
      return refusal{errc::limit_reached, {max_json_integer, owned.bought}};
    }
    if (terms.per_user_limit && owned.bought + c.quantity > *terms.per_user_limit) {
      return refusal{errc::limit_reached, {*terms.per_user_limit, owned.bought}};
    }
    if (stock != nullptr && stock->remaining() < c.quantity) {
      return refusal{errc::sold_out, {stock->remaining(), std::nullopt}};
    }
    if (total > purse.balance) {
      return refusal{errc::insufficient_funds, {}};
    }
    return std::nullopt;
  }

  static std::optional<std::int64_t> microseconds_of(std::optional<timestamp> time) {
    return time ? std::optional{time->time_since_epoch().count()} : std::nullopt;
  }

  verdict use(const command& c, wallet& purse) {
    const product_terms* terms = state_.find_product(*c.product);
    if (terms == nullptr) {
      return std::unexpected(errc::product_not_found);
    }
    holding& owned = state_.holding_of(c.user, *c.product);
    if (terms->type == product_type::permanent) {
      return refuse(c, purse, errc::not_consumable, credits{0}, owned.quantity, {});
    }
    if (owned.quantity < c.quantity) {
      return refuse(c, purse, errc::not_enough_items, credits{0}, owned.quantity, {});
    }
    owned.quantity -= c.quantity;
    owned.changed = true;
    return record(c, purse, credits{0}, owned.quantity);
  }

  static error one_permanent_at_a_time(std::int64_t quantity) {
    error e{errc::validation_failed};
    e.fields.push_back({.pointer = "#/quantity",
                        .code = "permanent_quantity",
                        .detail = "must be 1: a permanent product is owned once",
                        .params = {{"maximum", 1}, {"actual", quantity}}});
    return e;
  }

  verdict refuse(const command& c, wallet& purse, errc reason, credits amount, std::optional<std::int64_t> owned,
                 row_details details) {
    return append(c, purse, transaction_status::failed, reason, amount, owned, details);
  }

  verdict record(const command& c, wallet& purse, credits amount, std::optional<std::int64_t> owned) {
    return append(c, purse, transaction_status::completed, std::nullopt, amount, owned, {});
  }

  verdict append(const command& c, wallet& purse, transaction_status status, std::optional<errc> reason, credits amount,
                 std::optional<std::int64_t> owned, row_details details) {
    purse.at.value += 1;
    purse.changed = true;
    decision made;
    transaction& row = made.row;
    row.user = c.user;
    row.at = purse.at;
    row.kind = c.kind;
    row.status = status;
    row.product = c.product;
    row.quantity = c.product ? c.quantity : 0;
    row.amount = amount;
    row.balance_after = purse.balance;
    row.item_quantity_after = owned;
    row.reason = reason;
    row.detail_1 = details.first;
    row.detail_2 = details.second;
    row.idempotency_key = c.idempotency_key;
    if (!c.idempotency_key.empty()) {
      row.print = c.print;
      keyed_now_.emplace(std::pair{c.user, std::string_view{c.idempotency_key}}, effects_.verdicts.size());
    }
    row.request_id = c.request_id;
    row.created_at = state_.time;
    effects_.new_rows.push_back(effects_.verdicts.size());
    return made;
  }

  const transaction* find_earlier(const command& c) const {
    if (const transaction* in_journal = state_.find_keyed(c.user, c.idempotency_key)) {
      return in_journal;
    }
    const auto in_batch = keyed_now_.find({c.user, std::string_view{c.idempotency_key}});
    return in_batch == keyed_now_.end() ? nullptr : &effects_.verdicts[in_batch->second]->row;
  }

  void count_sale(product_id product, std::int64_t units, credits total) {
    auto at = std::lower_bound(effects_.sales.begin(), effects_.sales.end(), product,
                               [](const sale& s, product_id p) { return s.product < p; });
    if (at == effects_.sales.end() || at->product != product) {
      at = effects_.sales.insert(at, sale{.product = product});
    }
    at->purchases += 1;
    at->units += units;
    at->revenue += total.value;
  }

  batch_state& state_;
  batch_effects effects_;
  /// Keys first seen in this batch; the views point into the commands, which outlive the walk.
  std::map<std::pair<user_id, std::string_view>, std::size_t> keyed_now_;
};

}  // namespace

batch_effects decide(std::span<const command* const> commands, batch_state& state) {
  walk w{state, commands.size()};
  for (std::size_t i = 0; i < commands.size(); i += commands[i]->together) {
    const std::size_t count = commands[i]->together;
    COFFER_ASSERT(count >= 1 && count <= commands.size() - i);
    if (count == 1) {
      w.step(*commands[i]);
    } else {
      w.step_together(commands.subspan(i, count));
    }
  }
  return std::move(w).finish();
}

}  // namespace coffer::domain
