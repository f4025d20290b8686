#include "coffer/domain/replay.hpp"

#include <algorithm>
#include <utility>

namespace coffer::domain {

namespace {

/// -1, 0 or 1: what a completed row of this kind does to the balance and to the units owned.
struct direction {
  int credits;
  int units;
};

/// nullopt: a kind that this program does not know.
std::optional<direction> direction_of(const journal_entry& row) noexcept {
  const int sign = row.detail_1 == taken_away ? -1 : 1;
  switch (row.kind) {
    case transaction_kind::deposit:
      return direction{1, 0};
    case transaction_kind::purchase:
      return direction{-1, 1};
    case transaction_kind::use:
      return direction{0, -1};
    case transaction_kind::refund:
      return direction{row.product ? 1 : -1, -1};
    case transaction_kind::grant:
      return direction{sign, sign};
  }
  return std::nullopt;
}

std::string spell(std::optional<std::int64_t> number) { return number ? std::to_string(*number) : "nothing"; }

}  // namespace

void replay::begin(user_id user, std::optional<stored_wallet> stored) {
  user_ = user;
  stored_ = stored;
  balance_ = 0;
  at_ = 0;
  time_ = timestamp::min();
  items_.clear();
  if (!stored_) {
    violated(rule::user_exists, std::nullopt, std::nullopt, "a user", "none");
  } else if (stored_->balance < 0) {
    violated(rule::no_negative_balance, std::nullopt, std::nullopt, "0 or more", std::to_string(stored_->balance));
  }
}

void replay::entry(const journal_entry& row) {
  const version at{row.at};
  compare(rule::versions, at, std::nullopt, saturating_add(at_, 1), row.at);
  at_ = row.at;
  if (row.created_at < time_) {
    violated(rule::times, at, std::nullopt, "not before " + to_rfc3339(time_), to_rfc3339(row.created_at));
  }
  time_ = row.created_at;
  if (!direction_of(row)) {
    violated(rule::known_kind, at, row.product, "a kind", std::to_string(static_cast<int>(row.kind)));
  }
  if (!row.knows_reason) {
    violated(rule::known_reason, at, row.product, "an error code", "another text");
  }
  if (row.status == transaction_status::completed) {
    apply(row);
  } else if (row.status == transaction_status::pending) {
    violated(rule::no_pending, at, row.product, "completed or failed", "pending");
  }
  compare(rule::balance_after, at, std::nullopt, balance_, row.balance_after);
  const bool failed = row.status == transaction_status::failed;
  if (failed != row.has_reason) {
    violated(rule::reason, at, row.product, failed ? "a reason" : "none", failed ? "none" : "a reason");
  }
  check_item(row);
}

void replay::check_item(const journal_entry& row) {
  const version at{row.at};
  std::optional<std::int64_t> owned;
  if (row.product) {
    check_product(*row.product, at);
    owned = items_[*row.product].quantity;
  } else if (row.kind == transaction_kind::purchase || row.kind == transaction_kind::use) {
    violated(rule::product_exists, at, std::nullopt, "a product", "none");
  }
  if (row.item_quantity_after != owned) {
    violated(rule::item_quantity_after, at, row.product, spell(owned), spell(row.item_quantity_after));
  }
}

void replay::add(std::int64_t& sum, std::int64_t change, std::string_view rule, const journal_entry& row) const {
  std::int64_t exact = 0;
  if (__builtin_add_overflow(sum, change, &exact)) {
    violated(rule, version{row.at}, rule == domain::rule::item_quantity_after ? row.product : std::nullopt,
             "a sum of 64 bits", "more");
  }
  sum = saturating_add(sum, change);
}

void replay::apply(const journal_entry& row) {
  const version at{row.at};
  const direction to = direction_of(row).value_or(direction{0, 0});
  add(balance_, to.credits * row.amount, rule::balance_after, row);
  if (balance_ < 0) {
    violated(rule::no_negative_balance, at, std::nullopt, "0 or more", std::to_string(balance_));
  }
  if (!row.product) {
    if (row.kind == transaction_kind::refund) {
      // What a deposit's refund takes is all that there is, or nothing is missing.
      const std::int64_t missing = row.detail_2.value_or(-1);
      if (missing < 0 || (missing > 0 && balance_ != 0)) {
        violated(rule::missing, at, std::nullopt, "0, or more of an empty wallet", spell(row.detail_2));
      }
    }
    return;
  }
  item& known = items_[*row.product];
  known.recorded = true;
  std::int64_t& owned = known.quantity;
  std::int64_t missing = 0;
  if (row.kind == transaction_kind::purchase) {
    known.bought = saturating_add(known.bought, row.quantity);
  }
  if (row.kind == transaction_kind::refund) {
    known.bought = saturating_add(known.bought, -row.quantity);
    // A refund takes back what is owned; only what had been used up before can be missing.
    missing = row.detail_2.value_or(0);
    const std::int64_t takeable = std::min(row.quantity, std::max(owned, std::int64_t{0}));
    compare(rule::missing, at, row.product, row.quantity - takeable, missing);
  }
  add(owned, to.units * saturating_add(row.quantity, -missing), rule::item_quantity_after, row);
  if (owned < 0) {
    violated(rule::no_negative_quantity, at, row.product, "0 or more", std::to_string(owned));
  }
  check_owned_once(*row.product, at, owned);
}

void replay::check_owned_once(product_id product, std::optional<version> at, std::int64_t owned) {
  const auto known = products_.find(product);
  if (known != products_.end() && known->second == product_type::permanent && owned > 1) {
    violated(rule::permanent_once, at, product, "1 at most", std::to_string(owned));
  }
}

void replay::check_product(product_id product, std::optional<version> at) {
  if (!products_.contains(product)) {
    violated(rule::product_exists, at, product, "a product", "none");
  }
}

void replay::holding(const stored_holding& line) {
  check_product(line.product, std::nullopt);
  item& known = items_[line.product];
  known.seen = true;
  // A line of quantity 0 is a used-up consumable, so it has a history too.
  if (known.recorded) {
    compare(rule::inventory, std::nullopt, line.product, known.quantity, line.quantity);
  } else {
    violated(rule::inventory, std::nullopt, line.product, "no line", std::to_string(line.quantity));
  }
  if (with_bought_) {
    compare(rule::bought, std::nullopt, line.product, known.bought, line.bought);
  }
  check_owned_once(line.product, std::nullopt, line.quantity);
}

void replay::end() {
  for (const auto& [product, known] : items_) {
    if (!known.seen && known.quantity != 0) {
      violated(rule::inventory, std::nullopt, product, std::to_string(known.quantity), "no line");
    }
    if (with_bought_ && !known.seen && known.bought != 0) {
      violated(rule::bought, std::nullopt, product, std::to_string(known.bought), "no line");
    }
  }
  if (stored_) {
    compare(rule::balance, std::nullopt, std::nullopt, balance_, stored_->balance);
    compare(rule::versions, std::nullopt, std::nullopt, at_, stored_->at);
  }
}

void replay::compare(std::string_view rule, std::optional<version> at, std::optional<product_id> product,
                     std::int64_t expected, std::int64_t found) const {
  if (expected != found) {
    violated(rule, at, product, std::to_string(expected), std::to_string(found));
  }
}

void replay::violated(std::string_view rule, std::optional<version> at, std::optional<product_id> product,
                      std::string expected, std::string found) const {
  report_({.rule = rule,
           .user = user_,
           .at = at,
           .product = product,
           .expected = std::move(expected),
           .found = std::move(found)});
}

}  // namespace coffer::domain
