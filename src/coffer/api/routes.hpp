// The whole route table.
#pragma once

#include "coffer/api/access.hpp"
#include "coffer/api/context.hpp"
#include "coffer/api/operation.hpp"

namespace coffer::api {

/// How the body of a request reaches its handler.
enum class body_mode : std::uint8_t { whole, streamed };

/// What hangs at one line of the table: who serves it, and what documents say of it, who may.
struct endpoint {
  endpoint(route_handler handler, describe_operation description, access rules, body_mode mode)
      : serve{handler}, describe{description}, who{rules}, body{mode} {}

  /// Whether it waits for other systems: a plain function does not.
  [[nodiscard]] bool waits() const { return serve.index() == 0; }

  route_handler serve;
  describe_operation describe;
  access who;
  body_mode body;
};

/// The public API's routes, compiled. Throws std::invalid_argument when two of them collide.
http::router<endpoint> make_routes();

}  // namespace coffer::api
