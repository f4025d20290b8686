// The part of the world that a batch of commands can read or change, as loaded under the users' locks.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

#include "coffer/domain/command.hpp"
#include "coffer/domain/product.hpp"

namespace coffer::domain {

/// A locked wallet.
struct wallet {
  user_id user;
  credits balance;
  version at;
  version logged{};                         ///< the newest one that is in the event log
  std::optional<std::int16_t> logged_in{};  ///< its stream there, if it is known
  bool changed = false;
};

/// One product in one user's possession; quantity 0 when it is not owned.
struct holding {
  user_id user;
  product_id product;
  std::int64_t quantity = 0;
  std::int64_t bought = 0;  ///< units ever bought, used up ones too
  timestamp purchased_at;
  bool stored = false;  ///< there is a row for it
  bool changed = false;
};

/// What one batch sold of one product. Of a product at the highest price the revenue may be more than 64 bits hold: it
/// ends there.
struct sale {
  product_id product;
  std::int64_t purchases = 0;
  std::int64_t units = 0;
  std::int64_t revenue = 0;
};

/// What one batch refunded of one product's sales of one hour. A purchase counts when nothing is left of it.
struct refunded_sale {
  std::chrono::sys_time<std::chrono::hours> hour;  ///< of the purchase
  product_id product;
  std::int64_t purchases = 0;
  std::int64_t units = 0;
  std::int64_t revenue = 0;
};

/// How many units of a purchase, or credits of a deposit, have been refunded.
struct refund_count {
  user_id user;
  version purchase;
  std::int64_t units = 0;
  bool changed = false;
};

/// A row that a refund of the batch is about, as whoever asked had read it, and that the journal does not have any
/// more: a failover has taken it back.
struct lost_row {
  user_id user;
  version at;
  timestamp created_at;

  friend bool operator==(const lost_row&, const lost_row&) = default;
};

/// State of one batch: loaded rows first, then changed in place by decide(). All vectors are sorted by their ids.
struct batch_state {
  std::vector<wallet> wallets;          ///< by user
  std::vector<holding> holdings;        ///< by user, product
  std::vector<product_terms> products;  ///< by id
  std::vector<product_stock> stocks;    ///< locked stocks of limited products, by product
  std::vector<refund_count> refunds;    ///< by user, version; only of purchases that the batch refunds
  std::vector<lost_row> lost;           ///< few, if any
  std::vector<transaction> keyed;       ///< journal rows of the batch's keys, by place
  timestamp time;                       ///< the database's clock, read after the locks were granted

  /// The wallet of `user`, or nullptr when there is no such user.
  wallet* find_wallet(user_id user);
  /// The terms of `product`, or nullptr.
  const product_terms* find_product(product_id product) const;
  /// The locked stock of `product`, or nullptr.
  product_stock* find_stock(product_id product);
  /// The journal row that holds the key of this place, or nullptr.
  const transaction* find_keyed(const key_place& place) const;
  /// The holding of `product` by `user`; an empty one is added when there is none.
  holding& holding_of(user_id user, product_id product);
  /// The refunds of `user`'s purchase so far; a count of none is added when there is none.
  refund_count& refund_of(user_id user, version purchase);
  /// Whether the row that `refund` is about is there no more.
  bool has_lost(const command& refund) const;
  /// Sorts the vectors. Call once after loading.
  void sort();
};

/// What a decided batch writes.
struct batch_effects {
  std::vector<verdict> verdicts;              ///< one per command, in order
  std::vector<std::size_t> new_rows;          ///< indexes of the verdicts that are new journal rows, in order
  std::vector<sale> sales;                    ///< by product
  std::vector<refunded_sale> refunded_sales;  ///< by hour, product
};

namespace detail {

inline auto order(const wallet& w) { return w.user; }
inline auto order(const product_terms& p) { return p.id; }
inline auto order(const product_stock& s) { return s.product; }
inline auto order(const holding& h) { return std::tuple{h.user, h.product}; }
inline auto order(const refund_count& r) { return std::tuple{r.user, r.purchase}; }
inline auto order(const transaction& t) { return place_of(t); }
inline auto order(const sale& s) { return s.product; }
inline auto order(const refunded_sale& s) { return std::tuple{s.hour, s.product}; }

template <typename Row, typename Key>
auto find_sorted(std::vector<Row>& rows, const Key& key) {
  return std::lower_bound(rows.begin(), rows.end(), key, [](const Row& r, const Key& k) { return order(r) < k; });
}

template <typename Row, typename Key>
const Row* find_exact(const std::vector<Row>& rows, const Key& key) {
  const auto at =
      std::lower_bound(rows.begin(), rows.end(), key, [](const Row& r, const Key& k) { return order(r) < k; });
  return at != rows.end() && order(*at) == key ? &*at : nullptr;
}

template <typename Row>
void sort_rows(std::vector<Row>& rows) {
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return order(a) < order(b); });
}

}  // namespace detail

inline wallet* batch_state::find_wallet(user_id user) {
  const auto at = detail::find_sorted(wallets, user);
  return at != wallets.end() && at->user == user ? &*at : nullptr;
}

inline const product_terms* batch_state::find_product(product_id product) const {
  return detail::find_exact(products, product);
}

inline product_stock* batch_state::find_stock(product_id product) {
  const auto at = detail::find_sorted(stocks, product);
  return at != stocks.end() && at->product == product ? &*at : nullptr;
}

inline const transaction* batch_state::find_keyed(const key_place& place) const {
  return detail::find_exact(keyed, place);
}

inline holding& batch_state::holding_of(user_id user, product_id product) {
  const auto key = std::tuple{user, product};
  const auto at = detail::find_sorted(holdings, key);
  if (at != holdings.end() && detail::order(*at) == key) {
    return *at;
  }
  return *holdings.insert(at, holding{.user = user, .product = product, .purchased_at = {}});
}

inline bool batch_state::has_lost(const command& refund) const {
  const lost_row wanted{refund.user, refund.purchase.at, refund.purchase.bought_at};
  return std::ranges::find(lost, wanted) != lost.end();
}

inline refund_count& batch_state::refund_of(user_id user, version purchase) {
  const auto key = std::tuple{user, purchase};
  const auto at = detail::find_sorted(refunds, key);
  if (at != refunds.end() && detail::order(*at) == key) {
    return *at;
  }
  return *refunds.insert(at, refund_count{.user = user, .purchase = purchase});
}

inline void batch_state::sort() {
  detail::sort_rows(wallets);
  detail::sort_rows(holdings);
  detail::sort_rows(products);
  detail::sort_rows(stocks);
  detail::sort_rows(refunds);
  detail::sort_rows(keyed);
}

}  // namespace coffer::domain
