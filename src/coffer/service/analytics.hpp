// The best-selling products, cached.
#pragma once

#include <string>

#include "coffer/cache/popular_cache.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/sales_store.hpp"

namespace coffer::service {

/// Turns the best sellers into the JSON that clients get.
using best_sellers_renderer = std::string (*)(const store::best_sellers&);

/// One instance per thread. Throws pg::error for infrastructure failures.
class analytics {
 public:
  /// The period and the number of products of the contract.
  static constexpr int days = 7;
  static constexpr int products = 5;

  /// `redis` may be nullptr: then each thread computes the document once per TTL.
  analytics(pg::pool& db, redis::client* redis, cache::popular_cache_options how, best_sellers_renderer render);

  /// The popular products as JSON, at most the cache's TTL old. Throws pg::error and cache::wait_error.
  net::task<std::string> popular(net::deadline until) { return cache_.get(until); }

 private:
  net::task<std::string> load();

  pg::pool& db_;
  best_sellers_renderer render_;
  cache::popular_cache cache_;
};

namespace detail {

/// How long the counters may be summed for; well above what 7 days of them need.
inline constexpr std::chrono::seconds load_time{3};

}  // namespace detail

inline analytics::analytics(pg::pool& db, redis::client* redis, cache::popular_cache_options how,
                            best_sellers_renderer render)
    : db_{db}, render_{render}, cache_{redis, std::move(how), [this] { return load(); }} {}

inline net::task<std::string> analytics::load() {
  const net::deadline until = net::deadline_in(detail::load_time);
  const auto work = [until](pg::connection& db) { return store::find_best_sellers(db, days, products, until); };
  const store::best_sellers best = co_await with_connection(db_, until, true, work);
  co_return render_(best);
}

}  // namespace coffer::service
