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

namespace detail {

// What was refunded is taken off the hour of its sale. A sum of counters may be more than the wire carries (2^53-1).
// The outer join keeps the period when nothing was sold.
inline constexpr pg::statement select_best_sellers{
    "sales_best_sellers",
    "select w.period_start, w.period_end, s.product_id, s.name, s.type, s.purchases, s.units, s.revenue"
    " from (select date_trunc('hour', now() - make_interval(days => $1)) as period_start, now() as period_end) w"
    " left join lateral (select p.id as product_id, p.name, p.type, c.purchases, c.units, c.revenue from"
    " (select product_id, least(sum(purchases), 9007199254740991)::bigint as purchases,"
    " least(sum(units), 9007199254740991)::bigint as units,"
    " least(greatest(sum(revenue), 0), 9007199254740991)::bigint as revenue from"
    " (select product_id, purchases, units, revenue from sales_counters where hour >= w.period_start"
    " union all select product_id, -purchases, -units, -revenue from refunded_sales where hour >= w.period_start) k"
    " group by product_id having sum(purchases) > 0) c"
    " join products p on p.id = c.product_id order by c.purchases desc, p.id limit $2) s on true"
    " order by s.purchases desc, s.product_id"};

}  // namespace detail

/// The top `limit` of the last `days` days. Counters are kept per hour, so the period begins at the full hour. The
/// cost depends on products and hours, not on the length of the journal.
inline net::task<best_sellers> find_best_sellers(pg::connection& db, int days, int limit, net::deadline until) {
  pg::params with;
  with.add(std::int32_t{days}).add(std::int32_t{limit});
  const pg::rows found = co_await db.query(detail::select_best_sellers, std::move(with), until);
  best_sellers best{.from = found.time(0, 0), .to = found.time(0, 1), .products = {}};
  for (int row = 0; row < found.size() && !found.is_null(row, 2); ++row) {
    best.products.push_back({.product = product_id{found.int64(row, 2)},
                             .name = std::string{found.text(row, 3)},
                             .type = static_cast<domain::product_type>(found.int16(row, 4)),
                             .purchases = found.int64(row, 5),
                             .units = found.int64(row, 6),
                             .revenue = found.int64(row, 7)});
  }
  co_return best;
}

}  // namespace coffer::store
