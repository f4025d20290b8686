// Empties the inventory cache once a day, whatever the number of processes.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>

#include <fmt/format.h>

#include "coffer/base/clock.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/cache/inventory_cache.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/jobs_store.hpp"

namespace coffer::app {

/// The first moment after `after` at this time of day, UTC.
inline timestamp next_daily(timestamp after, std::chrono::seconds time_of_day) {
  const timestamp today = std::chrono::floor<std::chrono::days>(after) + time_of_day;
  return today > after ? today : today + std::chrono::days{1};
}

/// The job. Lives on one thread, with that thread's pool and cache.
class daily_reset {
 public:
  daily_reset(const net::executor& ex, pg::pool& db, cache::inventory_cache& cached, std::chrono::seconds time_of_day)
      : timer_{ex}, db_{db}, cache_{cached}, time_of_day_{time_of_day} {}

  /// Waits for each day's moment and runs; ends after stop(). Every process resets, of which the first has an effect,
  /// and one of them notes the run. One that fails is tried again every ten seconds for an hour.
  net::task<> run() {
    for (;;) {
      const timestamp due = next_daily(now(), time_of_day_);
      if (!co_await wait_until(due)) {
        co_return;
      }
      const auto day = std::chrono::floor<std::chrono::days>(due);
      for (int i = 0; i < retries && !co_await attempt(day); ++i) {
        if (!co_await wait_until(now() + retry_pause)) {
          co_return;
        }
      }
    }
  }

  /// On the job's thread.
  void stop() {
    stopping_ = true;
    timer_.cancel();
  }

 private:
  static constexpr auto job_name = "cache-reset";
  /// Looking at the wall clock this often makes a changed clock or a suspended machine harmless.
  static constexpr std::chrono::seconds longest_sleep{30};
  static constexpr std::chrono::seconds retry_pause{10};
  static constexpr int retries = 360;
  static constexpr std::chrono::seconds step_time{3};

  /// False when the job is to stop.
  net::task<bool> wait_until(timestamp when) {
    while (!stopping_ && now() < when) {
      timer_.expires_after(std::min<std::chrono::steady_clock::duration>(longest_sleep, when - now()));
      co_await timer_.async_wait(net::as_tuple);
    }
    co_return !stopping_;
  }

  /// True when the day's run is done and noted, here or elsewhere. The reset comes first, and whoever comes second
  /// changes nothing with it: a note that nobody learns of, or that a process did not live to write, costs no reset.
  net::task<bool> attempt(std::chrono::sys_days day) {
    const std::string date = to_rfc3339(timestamp{day}).substr(0, 10);
    if (!co_await cache_.reset(fmt::format("daily-{}", date))) {
      log::warn("cache reset failed", {{"message", "redis did not answer"}});
      co_return false;
    }
    const net::deadline until = net::deadline_in(step_time);
    try {
      const auto note = [day, until](pg::connection& db) { return store::note_daily_job(db, job_name, day, until); };
      if (co_await service::with_connection(db_, until, false, note)) {
        metrics::make_counter("coffer_cache_resets_total", "Daily cache resets noted by this process").add();
        log::info("cache reset", {{"day", std::string_view{date}}});
      }
      co_return true;
    } catch (const pg::error& e) {
      log::warn("cache reset could not be noted", {{"message", e.what()}});
    }
    co_return false;
  }

  net::steady_timer timer_;
  pg::pool& db_;
  cache::inventory_cache& cache_;
  std::chrono::seconds time_of_day_;
  bool stopping_ = false;
};

}  // namespace coffer::app
