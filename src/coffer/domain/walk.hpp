// One walk over one batch: what decide() consists of. For decide.cpp and rules.cpp alone.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <utility>

#include "coffer/domain/batch_state.hpp"

namespace coffer::domain {

/// What a row's detail_1 and detail_2 will be.
struct row_details {
  std::optional<std::int64_t> first = std::nullopt;
  std::optional<std::int64_t> second = std::nullopt;
};

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
  row_details numbers;
};

/// Units that a refund could give back in `state`; 0 when it is about no completed purchase.
std::int64_t refundable_units(batch_state& state, const command& refund);

/// Decides commands one after the other over a state that it changes.
class walk {
 public:
  walk(batch_state& state, std::size_t commands) : state_{state} { effects_.verdicts.reserve(commands); }

  void step(const command& c) { effects_.verdicts.push_back(decide_one(c)); }

  /// All of `group` happens or, but for the row of what was refused, nothing.
  void step_together(std::span<const command* const> group);

  batch_effects finish() && { return std::move(effects_); }

 private:
  // decide.cpp: keys, groups and rows.
  std::size_t refused_before(std::span<const command* const> group) const;
  void record_refusal(const command& c, transaction& row, std::size_t place, batch_state& inside);
  void tell_of_group(const command& c, transaction& row, batch_state& inside);
  const transaction* find_earlier(const command& c) const;
  verdict decide_one(const command& c);
  verdict append(const command& c, wallet& purse, std::optional<errc> reason, const row_numbers& numbers);

  // rules.cpp: what each kind of command does and what refuses it.
  verdict deposit(const command& c, wallet& purse);
  verdict purchase(const command& c, wallet& purse);
  std::optional<purchase_refusal> refuse_purchase(const command& c, const wallet& purse, const product_terms& terms,
                                                  const holding& owned, const product_stock* stock,
                                                  credits total) const;
  verdict use(const command& c, wallet& purse);
  verdict grant_credits(const command& c, wallet& purse);
  verdict grant_items(const command& c, wallet& purse);
  verdict refund(const command& c, wallet& purse);
  verdict take_back(const command& c, wallet& purse);
  void count_sale(product_id product, std::int64_t units, credits total);
  void count_refunded_sale(product_id product, timestamp bought_at, bool all_of_it, std::int64_t units, credits total);

  batch_state& state_;
  batch_effects effects_;
  /// Keys first seen in this batch; the views point into the commands, which outlive the walk.
  std::map<key_place, std::size_t> keyed_now_;
};

}  // namespace coffer::domain
