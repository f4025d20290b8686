#include "coffer/api/routes.hpp"

namespace coffer::api {

http::router<endpoint> make_routes() {
  http::router<endpoint> routes;
  add_journal_routes(routes);
  add_resource_routes(routes);
  routes.compile();
  return routes;
}

}  // namespace coffer::api
