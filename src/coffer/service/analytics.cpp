#include "coffer/service/analytics.hpp"

namespace coffer::service {

namespace {

/// How long the counters may be summed for; well above what 7 days of them need.
constexpr std::chrono::seconds load_time{3};

}  // namespace

analytics::analytics(net::executor ex, pg::pool& db, redis::client* redis, cache::popular_cache_options how,
                     best_sellers_renderer render)
    : db_{db}, render_{render}, cache_{std::move(ex), redis, std::move(how), [this] { return load(); }} {}

net::task<std::string> analytics::load() {
  const net::deadline until = net::deadline_in(load_time);
  const auto work = [until](pg::connection& db) { return store::find_best_sellers(db, days, products, until); };
  const store::best_sellers best = co_await with_connection(db_, until, true, work);
  co_return render_(best);
}

}  // namespace coffer::service
