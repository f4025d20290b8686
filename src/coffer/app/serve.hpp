// The composition root of `coffer serve`.
#pragma once

#include "coffer/app/settings.hpp"

namespace coffer::app {

/// Runs the server until it is told to end by SIGTERM or SIGINT. Gives the exit code.
int serve(const settings& how);

}  // namespace coffer::app
