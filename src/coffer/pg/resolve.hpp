// Looks host names up away from the event loop, which libpq would do in the middle of it. Only for the sources of this
// folder.
#pragma once

#include "coffer/net/task.hpp"
#include "coffer/pg/conninfo.hpp"

namespace coffer::pg {

/// Gives every host of `info` that is a name its addresses, one entry each in the resolver's order. A name that is not
/// found is left out. Throws error{failure::connect} when no host remains, failure::timed_out when `until` passes.
net::task<> resolve_hosts(net::executor ex, conninfo* info, net::deadline until);

}  // namespace coffer::pg
