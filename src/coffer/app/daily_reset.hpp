// Empties the inventory cache once a day, whatever the number of processes.
#pragma once

#include <chrono>
#include <memory>

#include "coffer/base/clock.hpp"
#include "coffer/cache/inventory_cache.hpp"
#include "coffer/pg/pool.hpp"

namespace coffer::app {

/// The first moment after `after` at this time of day, UTC.
timestamp next_daily(timestamp after, std::chrono::seconds time_of_day);

/// The job. Lives on one thread, with that thread's pool and cache.
class daily_reset {
 public:
  daily_reset(const net::executor& ex, pg::pool& db, cache::inventory_cache& cached, std::chrono::seconds time_of_day);

  /// Waits for each day's moment and runs; ends after stop(). Every process resets, of which the first has an effect,
  /// and one of them notes the run. One that fails is tried again every ten seconds for an hour.
  net::task<> run();

  /// On the job's thread.
  void stop();

 private:
  net::task<bool> wait_until(timestamp when);
  net::task<bool> attempt(std::chrono::sys_days day);

  net::steady_timer timer_;
  pg::pool& db_;
  cache::inventory_cache& cache_;
  std::chrono::seconds time_of_day_;
  bool stopping_ = false;
};

}  // namespace coffer::app
