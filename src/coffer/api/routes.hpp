// The whole route table.
#pragma once

#include "coffer/api/endpoint.hpp"
#include "coffer/http/router.hpp"

namespace coffer::api {

/// The public API's routes, compiled. Throws std::invalid_argument when two of them collide.
http::router<endpoint> make_routes();

}  // namespace coffer::api
