// Makes connections: libpq's polling as a coroutine. Only for the sources of this folder.
#pragma once

#include "coffer/net/task.hpp"
#include "coffer/pg/handle.hpp"
#include "coffer/pg/options.hpp"

namespace coffer::pg {

/// A connected, authenticated session, still in blocking mode. Throws error{failure::connect} or failure::timed_out.
/// A host that does not answer within its share of the time is left for the next one, which libpq alone does not do.
net::task<handle> connect(net::executor ex, options how, net::deadline until);

}  // namespace coffer::pg
