// Replays the journal of one user after the other and compares the result with what is stored. Shares no code with
// decide(): a second opinion. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "coffer/domain/product.hpp"
#include "coffer/domain/transaction.hpp"

namespace coffer::domain {

/// One place where the books are wrong.
struct book_violation {
  std::string_view rule;  ///< a literal, e.g. "versions_dense"
  std::optional<user_id> user;
  std::optional<version> at;
  std::optional<product_id> product;
  std::string expected;
  std::string found;
};

/// The rules that a replay can find broken.
namespace rule {
inline constexpr std::string_view balance = "balance_is_journal_sum";
inline constexpr std::string_view balance_after = "balance_after_is_running_sum";
inline constexpr std::string_view no_negative_balance = "no_negative_balance";
inline constexpr std::string_view versions = "versions_dense";
inline constexpr std::string_view inventory = "inventory_is_journal_sum";
inline constexpr std::string_view item_quantity_after = "item_quantity_after_is_running_sum";
inline constexpr std::string_view no_negative_quantity = "no_negative_quantity";
inline constexpr std::string_view permanent_once = "permanent_owned_once";
inline constexpr std::string_view missing = "refund_misses_what_was_used_up";
inline constexpr std::string_view reason = "reason_only_of_failed";
inline constexpr std::string_view known_reason = "reason_is_known";
inline constexpr std::string_view fingerprint = "fingerprint_of_every_key";
inline constexpr std::string_view known_kind = "kind_is_known";
inline constexpr std::string_view times = "times_rise_with_versions";
inline constexpr std::string_view bought = "bought_is_journal_sum";
inline constexpr std::string_view no_pending = "no_pending_transaction";
inline constexpr std::string_view user_exists = "user_exists";
inline constexpr std::string_view product_exists = "product_exists";
}  // namespace rule

/// A user as stored.
struct stored_wallet {
  user_id user;
  std::int64_t balance = 0;
  std::int64_t at = 0;  ///< version
};

/// A row of the journal, as far as it changes anything.
struct journal_entry {
  user_id user;
  std::int64_t at = 0;  ///< version
  transaction_kind kind = transaction_kind::deposit;
  transaction_status status = transaction_status::completed;
  std::optional<product_id> product;
  std::int64_t quantity = 0;
  std::int64_t amount = 0;
  std::int64_t balance_after = 0;
  std::optional<std::int64_t> item_quantity_after;
  bool has_reason = false;
  bool knows_reason = true;  ///< it is one of ours
  bool has_key = false;      ///< an idempotency key
  bool has_fingerprint = false;
  timestamp created_at{};
  row_details details;
};

/// A line of the inventory as stored.
struct stored_holding {
  user_id user;
  product_id product;
  std::int64_t quantity = 0;
  std::int64_t bought = 0;  ///< units ever, less what was refunded
};

/// Feed per user: begin(), then its journal by version, then its holdings, then end(). Keeps what it knows of one user
/// only. Sums saturate instead of wrapping: absurd numbers are violations, not undefined behaviour.
class replay {
 public:
  using catalogue = std::unordered_map<product_id, product_type>;
  using sink = std::function<void(book_violation)>;

  /// `products` must outlive this. `report` is called for every violation. `with_bought`: whether
  /// stored_holding::bought is compared, so that a line of used-up units may not be missing either.
  replay(const catalogue& products, sink report, bool with_bought = false)
      : products_{products}, report_{std::move(report)}, with_bought_{with_bought} {}

  /// `stored` is nullopt when rows of a user exist that does not.
  void begin(user_id user, std::optional<stored_wallet> stored);
  void entry(const journal_entry& row);
  /// What is stored of the user by now, for end(): the journal of a user that is read in pieces has grown since
  /// begin().
  void restate(std::optional<stored_wallet> stored) { stored_ = stored; }
  void holding(const stored_holding& line);
  void end();

 private:
  struct item {
    std::int64_t quantity = 0;
    std::int64_t bought = 0;  ///< less what was refunded
    bool recorded = false;    ///< by a completed row
    bool seen = false;        ///< among the holdings
  };

  void apply(const journal_entry& row);
  /// Adds to a running sum, and reports one that leaves 64 bits.
  void add(std::int64_t& sum, std::int64_t change, std::string_view rule, const journal_entry& row) const;
  void check_item(const journal_entry& row);
  void check_owned_once(product_id product, std::optional<version> at, std::int64_t owned);
  void check_product(product_id product, std::optional<version> at);
  void violated(std::string_view rule, std::optional<version> at, std::optional<product_id> product,
                std::string expected, std::string found) const;
  void compare(std::string_view rule, std::optional<version> at, std::optional<product_id> product,
               std::int64_t expected, std::int64_t found) const;

  const catalogue& products_;
  sink report_;
  bool with_bought_;
  user_id user_;
  std::optional<stored_wallet> stored_;
  std::int64_t balance_ = 0;
  std::int64_t at_ = 0;
  timestamp time_{};
  std::map<product_id, item> items_;
};

namespace detail {

/// -1, 0 or 1: what a completed row of this kind does to the balance and to the units owned.
struct direction {
  int credits;
  int units;
};

/// nullopt: a kind that this program does not know.
inline std::optional<direction> direction_of(const journal_entry& row) noexcept {
  const int sign = row.details.takes() ? -1 : 1;
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

inline std::string spell(std::optional<std::int64_t> number) { return number ? std::to_string(*number) : "nothing"; }

}  // namespace detail

inline void replay::begin(user_id user, std::optional<stored_wallet> stored) {
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

inline void replay::entry(const journal_entry& row) {
  const version at{row.at};
  compare(rule::versions, at, std::nullopt, saturating_add(at_, 1), row.at);
  at_ = row.at;
  if (row.created_at < time_) {
    violated(rule::times, at, std::nullopt, "not before " + to_rfc3339(time_), to_rfc3339(row.created_at));
  }
  time_ = row.created_at;
  if (!detail::direction_of(row)) {
    violated(rule::known_kind, at, row.product, "a kind", std::to_string(static_cast<int>(row.kind)));
  }
  if (!row.knows_reason) {
    violated(rule::known_reason, at, row.product, "an error code", "another text");
  }
  if (row.status == transaction_status::completed) {
    apply(row);
  } else if (row.status != transaction_status::failed) {
    const std::string number = std::to_string(static_cast<int>(row.status));
    const bool pending = row.status == transaction_status::pending;
    violated(rule::no_pending, at, row.product, "completed or failed", pending ? "pending" : "status " + number);
  }
  compare(rule::balance_after, at, std::nullopt, balance_, row.balance_after);
  const bool failed = row.status == transaction_status::failed;
  if (failed != row.has_reason) {
    violated(rule::reason, at, row.product, failed ? "a reason" : "none", failed ? "none" : "a reason");
  }
  if (row.has_key != row.has_fingerprint) {
    violated(rule::fingerprint, at, row.product, row.has_key ? "a fingerprint" : "none",
             row.has_key ? "none" : "a fingerprint");
  }
  check_item(row);
}

inline void replay::check_item(const journal_entry& row) {
  const version at{row.at};
  std::optional<std::int64_t> owned;
  if (row.product) {
    check_product(*row.product, at);
    owned = items_[*row.product].quantity;
  } else if (row.kind == transaction_kind::purchase || row.kind == transaction_kind::use) {
    violated(rule::product_exists, at, std::nullopt, "a product", "none");
  }
  if (row.item_quantity_after != owned) {
    violated(rule::item_quantity_after, at, row.product, detail::spell(owned), detail::spell(row.item_quantity_after));
  }
}

inline void replay::add(std::int64_t& sum, std::int64_t change, std::string_view rule, const journal_entry& row) const {
  std::int64_t exact = 0;
  if (__builtin_add_overflow(sum, change, &exact)) {
    violated(rule, version{row.at}, rule == domain::rule::item_quantity_after ? row.product : std::nullopt,
             "a sum of 64 bits", "more");
  }
  sum = saturating_add(sum, change);
}

inline void replay::apply(const journal_entry& row) {
  const version at{row.at};
  const detail::direction to = detail::direction_of(row).value_or(detail::direction{0, 0});
  add(balance_, to.credits * row.amount, rule::balance_after, row);
  if (balance_ < 0) {
    violated(rule::no_negative_balance, at, std::nullopt, "0 or more", std::to_string(balance_));
  }
  if (!row.product) {
    if (row.kind == transaction_kind::refund) {
      // What a deposit's refund takes is all that there is, or nothing is missing.
      const std::int64_t missing = row.details.missing().value_or(-1);
      if (missing < 0 || (missing > 0 && balance_ != 0)) {
        violated(rule::missing, at, std::nullopt, "0, or more of an empty wallet",
                 detail::spell(row.details.missing()));
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
    missing = row.details.missing().value_or(0);
    const std::int64_t takeable = std::min(row.quantity, std::max(owned, std::int64_t{0}));
    compare(rule::missing, at, row.product, row.quantity - takeable, missing);
  }
  add(owned, to.units * saturating_add(row.quantity, -missing), rule::item_quantity_after, row);
  if (owned < 0) {
    violated(rule::no_negative_quantity, at, row.product, "0 or more", std::to_string(owned));
  }
  check_owned_once(*row.product, at, owned);
}

inline void replay::check_owned_once(product_id product, std::optional<version> at, std::int64_t owned) {
  const auto known = products_.find(product);
  if (known != products_.end() && known->second == product_type::permanent && owned > 1) {
    violated(rule::permanent_once, at, product, "1 at most", std::to_string(owned));
  }
}

inline void replay::check_product(product_id product, std::optional<version> at) {
  if (!products_.contains(product)) {
    violated(rule::product_exists, at, product, "a product", "none");
  }
}

inline void replay::holding(const stored_holding& line) {
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

inline void replay::end() {
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

inline void replay::compare(std::string_view rule, std::optional<version> at, std::optional<product_id> product,
                            std::int64_t expected, std::int64_t found) const {
  if (expected != found) {
    violated(rule, at, product, std::to_string(expected), std::to_string(found));
  }
}

inline void replay::violated(std::string_view rule, std::optional<version> at, std::optional<product_id> product,
                             std::string expected, std::string found) const {
  report_({.rule = rule,
           .user = user_,
           .at = at,
           .product = product,
           .expected = std::move(expected),
           .found = std::move(found)});
}

}  // namespace coffer::domain
