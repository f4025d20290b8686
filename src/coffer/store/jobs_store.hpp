// Which day's jobs have been run, so that one of several processes runs each.
#pragma once

#include <chrono>
#include <string>

#include "coffer/pg/connection.hpp"

namespace coffer::store {

/// Claims the run of `job` for that day; false when another process has claimed it. Claims older than 90 days are
/// forgotten on the way.
net::task<bool> claim_daily_job(pg::connection& db, std::string job, std::chrono::sys_days day, net::deadline until);

/// Gives a claim back after a run that failed, so that another process may try.
net::task<> release_daily_job(pg::connection& db, std::string job, std::chrono::sys_days day, net::deadline until);

}  // namespace coffer::store
