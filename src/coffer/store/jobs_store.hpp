// Which day's jobs have been run.
#pragma once

#include <chrono>
#include <string>

#include "coffer/pg/connection.hpp"

namespace coffer::store {

/// Notes that `job` has been run for that day; false when it is noted already. Notes older than 90 days are forgotten
/// on the way.
net::task<bool> note_daily_job(pg::connection& db, std::string job, std::chrono::sys_days day, net::deadline until);

}  // namespace coffer::store
