// How many descriptors a server needs besides its clients'.
#pragma once

#include <algorithm>
#include <cstddef>

#include "coffer/app/settings.hpp"

namespace coffer::app {

/// Connections to the admin listener: a few collectors and probes; more wait in its backlog.
inline constexpr std::size_t admin_connections = 32;

/// Connections to receivers of webhooks that are open at once: one for each request that may be under way, or fewer in
/// a process that may open few files.
inline std::size_t webhook_connections(std::size_t open_files) { return open_files < 2048 ? 40 : 300; }

/// Descriptors kept free of client connections: those to the database and the cache, event loops, log, files, those of
/// the admin listener, and those to receivers of webhooks.
inline std::size_t reserved_descriptors(const settings& s, std::size_t open_files) {
  constexpr std::size_t usual = 128;
  constexpr std::size_t process = 32;     // log, files, listeners and what is kept spare
  constexpr std::size_t per_thread = 10;  // besides its pool: event loop, timers, cache, look-ups of names, uploads
  return std::max(usual, process + admin_connections + webhook_connections(open_files) +
                             static_cast<std::size_t>(s.lanes) +
                             static_cast<std::size_t>(s.threads) * (s.read_pool_size + per_thread));
}

}  // namespace coffer::app
