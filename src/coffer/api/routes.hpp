// The whole route table.
#pragma once

#include "coffer/api/context.hpp"

namespace coffer::api {

/// The public API's routes, compiled. Throws std::invalid_argument when two of them collide.
http::router<route_handler> make_routes();

}  // namespace coffer::api
