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
  analytics(net::executor ex, pg::pool& db, redis::client* redis, cache::popular_cache_options how,
            best_sellers_renderer render);

  /// The popular products as JSON, at most the cache's TTL old. Throws pg::error and cache::wait_error.
  net::task<std::string> popular(net::deadline until) { return cache_.get(until); }

 private:
  net::task<std::string> load();

  pg::pool& db_;
  best_sellers_renderer render_;
  cache::popular_cache cache_;
};

}  // namespace coffer::service
