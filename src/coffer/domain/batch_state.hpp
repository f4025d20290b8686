// The part of the world that a batch of commands can read or change, as loaded under the users' locks.
#pragma once

#include <chrono>
#include <vector>

#include "coffer/domain/command.hpp"
#include "coffer/domain/product.hpp"

namespace coffer::domain {

/// A locked wallet.
struct wallet {
  user_id user;
  credits balance;
  version at;
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

/// State of one batch: loaded rows first, then changed in place by decide(). All vectors are sorted by their ids.
struct batch_state {
  std::vector<wallet> wallets;          ///< by user
  std::vector<holding> holdings;        ///< by user, product
  std::vector<product_terms> products;  ///< by id
  std::vector<product_stock> stocks;    ///< locked stocks of limited products, by product
  std::vector<refund_count> refunds;    ///< by user, version; only of purchases that the batch refunds
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

}  // namespace coffer::domain
