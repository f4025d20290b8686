#include "coffer/domain/decide.hpp"

#include <utility>

#include "coffer/base/assert.hpp"
#include "coffer/domain/walk.hpp"

namespace coffer::domain {

namespace {

bool is_refusal(const verdict& v) { return !v || v->row.status == transaction_status::failed; }

}  // namespace

void walk::step_together(std::span<const command* const> group) {
  const std::size_t first = effects_.verdicts.size();
  std::size_t refused = refused_before(group);
  verdict why = std::unexpected(errc::not_executed);
  if (refused < group.size()) {
    why = decide_one(*group[refused]);
  } else {
    batch_state state_before = state_;
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
    batch_state inside = std::exchange(state_, std::move(state_before));
    effects_ = std::move(effects_before);
    keyed_now_ = std::move(keyed_before);
    if (why && !why->replayed) {
      record_refusal(*group[refused], why->row, first + refused, inside);
    }
  }
  effects_.verdicts.resize(first + group.size(), std::unexpected(errc::not_executed));
  effects_.verdicts[first + refused] = std::move(why);
}

/// The first command of a group whose key already stands for a refusal or for another request; the size of the group
/// when there is none.
std::size_t walk::refused_before(std::span<const command* const> group) const {
  for (std::size_t i = 0; i < group.size(); ++i) {
    const command& c = *group[i];
    const transaction* earlier = c.idempotency_key.empty() ? nullptr : find_earlier(c);
    if (earlier != nullptr && (earlier->print != c.print || earlier->status == transaction_status::failed)) {
      return i;
    }
  }
  return group.size();
}

/// Makes the row of a refused group one of the state that the group leaves behind; `inside`: the state that refused it.
void walk::record_refusal(const command& c, transaction& row, std::size_t place, batch_state& inside) {
  wallet& purse = *state_.find_wallet(c.user);
  tell_of_group(c, row, inside);
  purse.at.value += 1;
  purse.changed = true;
  row.at = purse.at;
  row.balance_after = purse.balance;
  if (row.item_quantity_after && row.product) {
    row.item_quantity_after = state_.holding_of(c.user, *row.product).quantity;
  }
  if (!c.idempotency_key.empty()) {
    keyed_now_.emplace(place_of(c), place);
  }
  effects_.new_rows.push_back(place);
}

/// What was there when the group was refused becomes a number of the row, where the wallet without the group has
/// another.
void walk::tell_of_group(const command& c, transaction& row, batch_state& inside) {
  std::int64_t there = 0;
  std::int64_t without_group = 0;
  switch (*row.reason) {
    case errc::insufficient_funds:
    case errc::balance_limit_exceeded:
      there = inside.find_wallet(c.user)->balance.value;
      without_group = state_.find_wallet(c.user)->balance.value;
      break;
    case errc::not_enough_items:
      there = inside.holding_of(c.user, *c.product).quantity;
      without_group = state_.holding_of(c.user, *c.product).quantity;
      break;
    default:
      return;  // the row's details are of that moment
  }
  if (there != without_group) {
    row.detail_2 = there;
  }
}

verdict walk::decide_one(const command& c) {
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
      return refund(c, *purse);
    case transaction_kind::grant:
      return c.product ? grant_items(c, *purse) : grant_credits(c, *purse);
  }
  assertion_failed("a command of this kind has no rule");
}

/// A journal row of what the state is now: completed, or failed for a reason.
verdict walk::append(const command& c, wallet& purse, std::optional<errc> reason, const row_numbers& numbers) {
  purse.at.value += 1;
  purse.changed = true;
  decision made;
  transaction& row = made.row;
  row.user = c.user;
  row.at = purse.at;
  row.kind = c.kind;
  row.status = reason ? transaction_status::failed : transaction_status::completed;
  row.product = c.product;
  row.quantity = numbers.quantity;
  row.amount = numbers.amount;
  row.balance_after = purse.balance;
  row.item_quantity_after = numbers.owned;
  row.reason = reason;
  row.detail_1 = numbers.details.first;
  row.detail_2 = numbers.details.second;
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

const transaction* walk::find_earlier(const command& c) const {
  if (const transaction* in_journal = state_.find_keyed(place_of(c))) {
    return in_journal;
  }
  const auto in_batch = keyed_now_.find(place_of(c));
  return in_batch == keyed_now_.end() ? nullptr : &effects_.verdicts[in_batch->second]->row;
}

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
