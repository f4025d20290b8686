#include "coffer/api/routes.hpp"

#include "coffer/api/handlers.hpp"

namespace coffer::api {

http::router<route_handler> make_routes() {
  using enum http::method;
  http::router<route_handler> routes;
  routes.add(post, "/users", create_user);
  routes.add(get, "/users/{user_id}", get_user);
  routes.add(post, "/users/{user_id}/add-funds", add_funds);
  routes.add(get, "/users/{user_id}/inventory", get_inventory);
  routes.add(get, "/users/{user_id}/transactions", list_transactions);
  routes.add(get, "/users/{user_id}/transactions/{version}", get_transaction);
  routes.add(get, "/users/{user_id}/operations/{idempotency_key}", get_operation);
  routes.add(get, "/users/{user_id}/statement", get_statement);
  routes.add(post, "/products", create_product);
  routes.add(get, "/products", list_products);
  routes.add(get, "/products/{product_id}", get_product);
  routes.add(patch, "/products/{product_id}", change_product);
  routes.add(post, "/products/{product_id}/purchase", purchase);
  routes.add(post, "/products/{product_id}/use", use);
  routes.add(get, "/analytics/popular-products", popular_products);
  routes.add(get, "/livez", livez);
  routes.add(get, "/readyz", readyz);
  routes.add(get, "/healthz", healthz);
  routes.compile();
  return routes;
}

}  // namespace coffer::api
