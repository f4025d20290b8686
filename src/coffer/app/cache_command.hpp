// `coffer cache clear`: drops what the servers of one database have cached in Redis, and nothing else there.
#pragma once

#include <cstdint>

#include "coffer/app/settings.hpp"

namespace coffer::app {

/// Makes everything cached under the prefix worthless at once, then deletes it. Limits and other people's keys stay.
/// Safe beside running servers. Gives the number of inventories that were looked at. Throws std::runtime_error that
/// says what to do when Redis cannot be asked.
std::int64_t clear_cache(const settings& s);

}  // namespace coffer::app
