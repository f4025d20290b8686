// The whole route table.
#pragma once

#include "coffer/api/context.hpp"
#include "coffer/api/operation.hpp"

namespace coffer::api {

/// What hangs at one line of the table: who serves it, and what documents say of it.
struct endpoint {
  endpoint(route_handler handler, describe_operation description) : serve{handler}, describe{description} {}

  /// Whether it waits for other systems: a plain function does not.
  [[nodiscard]] bool waits() const { return serve.index() == 0; }

  route_handler serve;
  describe_operation describe;
};

/// The public API's routes, compiled. Throws std::invalid_argument when two of them collide.
http::router<endpoint> make_routes();

}  // namespace coffer::api
