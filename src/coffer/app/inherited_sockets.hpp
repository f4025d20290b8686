// Listening sockets that a service manager made (sd_listen_fds(3), systemd.socket(5)). Without libsystemd.
#pragma once

#include "coffer/app/settings_table.hpp"
#include "coffer/net/listener.hpp"

namespace coffer::app {

/// What was handed over; no descriptor where nothing was.
struct inherited_sockets {
  net::owned_fd api;
  net::owned_fd admin;  ///< the one with FileDescriptorName=admin
};

/// Takes the sockets that LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES tell of; none when they are meant for another
/// process. Throws std::runtime_error for what cannot be made sense of, naming the remedy. Once per process: the
/// descriptors belong to the result.
inherited_sockets take_inherited_sockets(const variables& env);

}  // namespace coffer::app
