// The whole route table. The endpoints are compiled in two halves, so that a change of one is built quickly.
#pragma once

#include <span>

#include "coffer/api/endpoint.hpp"
#include "coffer/http/router.hpp"

namespace coffer::api {

/// The public API's routes, compiled. Throws std::invalid_argument when two of them collide.
http::router<endpoint> make_routes();

/// Those that write to the journal, and tell what became of it.
void add_journal_routes(http::router<endpoint>& routes);

/// All others.
void add_resource_routes(http::router<endpoint>& routes);

namespace detail {

inline std::span<const endpoint> lines_of(const endpoint& only) { return {&only, 1}; }
inline std::span<const endpoint> lines_of(std::span<const endpoint> all) { return all; }

/// Adds what the headers of endpoints/ end in: one endpoint each, or several.
void add_endpoints(http::router<endpoint>& routes, const auto&... resources) {
  for (const std::span<const endpoint> resource : {lines_of(resources)...}) {
    for (endpoint line : resource) {
      // What asks for credentials and only looks.
      if (line.verb == http::method::get && !line.who.is_open) {
        line.who.counts_as = limit::route_class::read;
      }
      routes.add(line.verb, line.path, line);
    }
  }
}

}  // namespace detail

}  // namespace coffer::api
