#include "coffer/store/jobs_store.hpp"

#include "coffer/base/clock.hpp"

namespace coffer::store {

namespace {

constexpr pg::statement forget_old{"job_forget",
                                   "delete from job_runs where run_on < ($1 at time zone 'UTC')::date - 90"};
constexpr pg::statement note_run{
    "job_note",
    "insert into job_runs (name, run_on) values ($1, ($2 at time zone 'UTC')::date) on conflict do nothing"};

}  // namespace

net::task<bool> note_daily_job(pg::connection& db, std::string job, std::chrono::sys_days day, net::deadline until) {
  pg::pipeline p;
  p.add(forget_old, std::move(pg::params{}.add(timestamp{day})));
  p.add(note_run, std::move(pg::params{}.add(job).add(timestamp{day})));
  const std::vector<pg::rows> results = co_await db.run(std::move(p), until);
  co_return results.at(1).affected() == 1;
}

}  // namespace coffer::store
