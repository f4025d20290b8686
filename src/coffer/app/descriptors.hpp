// How many descriptors a server needs besides its clients'.
#pragma once

#include <algorithm>
#include <cstddef>

#include "coffer/app/settings.hpp"

namespace coffer::app {

/// Connections to the admin listener: a few collectors and probes; more wait in its backlog.
inline constexpr std::size_t admin_connections = 32;

/// Descriptors kept free of client connections: those to the database and the cache, event loops, log, files, and those
/// of the admin listener.
inline std::size_t reserved_descriptors(const settings& s) {
  constexpr std::size_t usual = 128;
  constexpr std::size_t process = 32;     // log, files, listeners and what is kept spare
  constexpr std::size_t per_thread = 10;  // besides its pool: event loop, timers, cache, look-ups of names, uploads
  constexpr std::size_t webhooks = 320;   // open connections to receivers, and the pipe that wakes their thread
  return webhooks + std::max(usual, process + admin_connections + static_cast<std::size_t>(s.lanes) +
                                        static_cast<std::size_t>(s.threads) * (s.read_pool_size + per_thread));
}

}  // namespace coffer::app
