#include "coffer/app/daily_reset.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/jobs_store.hpp"

namespace coffer::app {

namespace {

using namespace std::chrono_literals;

constexpr auto job_name = "cache-reset";
/// Looking at the wall clock this often makes a changed clock or a suspended machine harmless.
constexpr auto longest_sleep = 30s;
constexpr auto retry_pause = 10s;
constexpr int retries = 360;
constexpr auto step_time = 3s;

std::string date_of(std::chrono::sys_days day) { return to_rfc3339(timestamp{day}).substr(0, 10); }

}  // namespace

timestamp next_daily(timestamp after, std::chrono::seconds time_of_day) {
  const timestamp today = std::chrono::floor<std::chrono::days>(after) + time_of_day;
  return today > after ? today : today + std::chrono::days{1};
}

daily_reset::daily_reset(const net::executor& ex, pg::pool& db, cache::inventory_cache& cached,
                         std::chrono::seconds time_of_day)
    : timer_{ex}, db_{db}, cache_{cached}, time_of_day_{time_of_day} {}

void daily_reset::stop() {
  stopping_ = true;
  timer_.cancel();
}

/// False when the job is to stop.
net::task<bool> daily_reset::wait_until(timestamp when) {
  while (!stopping_ && now() < when) {
    timer_.expires_after(std::min<std::chrono::steady_clock::duration>(longest_sleep, when - now()));
    co_await timer_.async_wait(net::as_tuple);
  }
  co_return !stopping_;
}

net::task<> daily_reset::run() {
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

/// True when the day's run is done and noted, here or elsewhere. The reset comes first, and whoever comes second
/// changes nothing with it: a note that nobody learns of, or that a process did not live to write, costs no reset.
net::task<bool> daily_reset::attempt(std::chrono::sys_days day) {
  if (!co_await cache_.reset(fmt::format("daily-{}", date_of(day)))) {
    log::warn("cache reset failed", {{"message", "redis did not answer"}});
    co_return false;
  }
  const net::deadline until = net::deadline_in(step_time);
  try {
    const auto note = [day, until](pg::connection& db) { return store::note_daily_job(db, job_name, day, until); };
    if (co_await service::with_connection(db_, until, false, note)) {
      metrics::make_counter("coffer_cache_resets_total", "Daily cache resets noted by this process").add();
      log::info("cache reset", {{"day", std::string_view{date_of(day)}}});
    }
    co_return true;
  } catch (const pg::error& e) {
    log::warn("cache reset could not be noted", {{"message", e.what()}});
  }
  co_return false;
}

}  // namespace coffer::app
