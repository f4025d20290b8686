// The sales counters that every batch of purchases keeps: adds to them, reads them, and folds those of hours and days
// that are over.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "coffer/domain/product.hpp"
#include "coffer/pg/pool.hpp"

/// Ends an insert into a table of counters `c`: a counter that is there is added to. The revenue of dear products may
/// exceed 64 bits: it ends there, because no statistic refuses a sale. Purchases and units cannot. A macro, because
/// statements are literals.
#define COFFER_ADD_TO_COUNTER                                                                                 \
  " on conflict (hour, product_id, lane) do update set purchases = c.purchases + excluded.purchases,"         \
  " units = c.units + excluded.units, revenue = case when c.revenue > 9223372036854775807 - excluded.revenue" \
  " then 9223372036854775807 else c.revenue + excluded.revenue end"

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

/// The tables of counters: what was sold, and what of it was refunded.
enum class counted : std::uint8_t { sales, refunded_sales };

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

// Closed hours, each for itself while it may still be shown, then days. An hour has rows of the lanes of every process;
// once folded it has one for each product, of lane 0, and a day has those of its first hour. Lanes count into an hour
// that has passed only when a batch took long, or for a refund: what they add is folded again.
#define COFFER_UNFOLDED(table)                                                                       \
  "(select period, period + interval '1 hour' as period_end"                                         \
  " from generate_series(date_trunc('day', now() - interval '9 days', 'UTC') + interval '24 hours'," \
  " date_trunc('hour', now() - interval '70 minutes'), interval '1 hour') as period"                 \
  " where exists (select from " table                                                                \
  " where hour = period and lane <> 0)"                                                              \
  " union all select period, period + interval '24 hours'"                                           \
  " from generate_series((select date_trunc('day', min(hour), 'UTC') from " table                    \
  "),"                                                                                               \
  " date_trunc('day', now() - interval '9 days', 'UTC'), interval '24 hours') as period"             \
  " where exists (select from " table                                                                \
  " where hour >= period and hour < period + interval '24 hours' and (hour, lane) <> (period, 0)))"  \
  " order by period limit $1"
// Whoever holds one of the rows is not waited for. The snapshot is older than the locks: a row that somebody changed or
// added meanwhile ends the transaction, or stays.
#define COFFER_LOCK_PERIOD(table)                                   \
  "select count(*) from (select from " table                        \
  " where hour >= $1 and hour < $2 order by hour, product_id, lane" \
  " for update nowait) as held"
#define COFFER_SUM_PERIOD(table)                                                        \
  "insert into " table                                                                  \
  " as c (hour, product_id, lane, purchases, units, revenue) select $1, product_id, 0," \
  " sum(purchases), sum(units), least(sum(revenue), 9223372036854775807) from " table   \
  " where hour >= $1 and hour < $2 and (hour, lane) <> ($1, 0) group by product_id" COFFER_ADD_TO_COUNTER
#define COFFER_DROP_PERIOD(table) "delete from " table " where hour >= $1 and hour < $2 and (hour, lane) <> ($1, 0)"

/// The statements that fold one table.
struct folding {
  pg::statement find;
  pg::statement lock;
  pg::statement sum;
  pg::statement drop;
};

inline constexpr folding sales_folding{{"fold_find_sales", COFFER_UNFOLDED("sales_counters")},
                                       {"fold_lock_sales", COFFER_LOCK_PERIOD("sales_counters")},
                                       {"fold_sum_sales", COFFER_SUM_PERIOD("sales_counters")},
                                       {"fold_drop_sales", COFFER_DROP_PERIOD("sales_counters")}};
inline constexpr folding refunded_folding{{"fold_find_refunded", COFFER_UNFOLDED("refunded_sales")},
                                          {"fold_lock_refunded", COFFER_LOCK_PERIOD("refunded_sales")},
                                          {"fold_sum_refunded", COFFER_SUM_PERIOD("refunded_sales")},
                                          {"fold_drop_refunded", COFFER_DROP_PERIOD("refunded_sales")}};

#undef COFFER_UNFOLDED
#undef COFFER_LOCK_PERIOD
#undef COFFER_SUM_PERIOD
#undef COFFER_DROP_PERIOD

inline constexpr pg::statement begin_folding{"fold_begin", "begin isolation level repeatable read"};
inline constexpr pg::statement end_folding{"fold_end", "commit"};

inline const folding& folding_of(counted what) { return what == counted::sales ? sales_folding : refunded_folding; }

}  // namespace detail

/// A period of counters that can be folded: an hour, or a day that the best sellers do not reach back to any more.
struct closed_period {
  timestamp first;
  timestamp end;
};

/// The periods, oldest first, that have more rows than they need; `most` at most.
inline net::task<std::vector<closed_period>> find_unfolded(pg::connection& db, counted what, int most,
                                                           net::deadline until) {
  const pg::rows found = co_await db.query(detail::folding_of(what).find, pg::params::of(std::int64_t{most}), until);
  std::vector<closed_period> all;
  all.reserve(static_cast<std::size_t>(found.size()));
  for (int row = 0; row < found.size(); ++row) {
    all.push_back({found.time(row, 0), found.time(row, 1)});
  }
  co_return all;
}

/// Makes one counter for each product of a period out of what there is, in a transaction of its own, and gives how many
/// rows went; nullopt: somebody is counting there, and nothing was done. No sum changes. Throws pg::error.
inline net::task<std::optional<std::int64_t>> fold(pg::connection& db, counted what, closed_period period,
                                                   net::deadline until) {
  const detail::folding& folding = detail::folding_of(what);
  pg::pipeline p;
  p.add(detail::begin_folding);
  for (const pg::statement* each : {&folding.lock, &folding.sum, &folding.drop}) {
    p.add(*each, pg::params::of(period.first, period.end));
  }
  p.add(detail::end_folding);
  std::optional<pg::error> failure;
  try {
    const std::vector<pg::rows> results = co_await db.run(std::move(p), until);
    co_return results.at(3).affected();
  } catch (const pg::error& e) {
    failure.emplace(e);
  }
  if (failure->connection_usable()) {
    co_await db.execute("rollback", until);
  }
  if (failure->state() != pg::sqlstate::lock_not_available && !pg::is_conflict(failure->state())) {
    throw *failure;
  }
  co_return std::nullopt;
}

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
