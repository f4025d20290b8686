// Reads the sales counters that every batch of purchases keeps.
#pragma once

#include <string>
#include <vector>

#include "coffer/domain/product.hpp"
#include "coffer/pg/pool.hpp"

namespace coffer::store {

/// What one product sold in a period.
struct product_sales {
  product_id product;
  std::string name;
  domain::product_type type = domain::product_type::consumable;
  std::int64_t purchases = 0;
  std::int64_t units = 0;
  std::int64_t revenue = 0;
};

/// The best sellers of a period of whole hours up to now.
struct best_sellers {
  timestamp from;
  timestamp to;
  std::vector<product_sales> products;  ///< by purchases, most first; ties by product id
};

/// The top `limit` of the last `days` days. Counters are kept per hour, so the period begins at the full hour. The
/// cost depends on products and hours, not on the length of the journal.
net::task<best_sellers> find_best_sellers(pg::connection& db, int days, int limit, net::deadline until);

}  // namespace coffer::store
