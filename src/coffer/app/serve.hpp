// The composition root of `coffer serve`.
#pragma once

#include "coffer/app/settings.hpp"

namespace coffer::app {

/// Serves on the sockets that a service manager handed over, else on those that the settings name, until SIGTERM or
/// SIGINT; then drains, and a second signal ends the process at once. Gives the exit code: 0 after a complete drain, 1
/// when something had to be cut off or the server could not start (the reason is logged).
int serve(const settings& s);

}  // namespace coffer::app
