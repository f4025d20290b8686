// Which day's jobs have been run.
#pragma once

#include <chrono>
#include <string>

#include "coffer/base/clock.hpp"
#include "coffer/pg/connection.hpp"

namespace coffer::store {

namespace detail {

inline constexpr pg::statement forget_old{"job_forget",
                                          "delete from job_runs where run_on < ($1 at time zone 'UTC')::date - 90"};

inline constexpr pg::statement note_run{
    "job_note",
    "insert into job_runs (name, run_on) values ($1, ($2 at time zone 'UTC')::date) on conflict do nothing"};

}  // namespace detail

/// Notes that `job` has been run for that day; false when it is noted already. Notes older than 90 days are forgotten
/// on the way.
inline net::task<bool> note_daily_job(pg::connection& db, std::string job, std::chrono::sys_days day,
                                      net::deadline until) {
  pg::pipeline p;
  p.add(detail::forget_old, std::move(pg::params{}.add(timestamp{day})));
  p.add(detail::note_run, std::move(pg::params{}.add(job).add(timestamp{day})));
  const std::vector<pg::rows> results = co_await db.run(std::move(p), until);
  co_return results.at(1).affected() == 1;
}

}  // namespace coffer::store
