#include "coffer/api/routes.hpp"

#include "coffer/api/handlers.hpp"
#include "coffer/api/operations.hpp"

namespace coffer::api {

http::router<endpoint> make_routes() {
  using enum http::method;
  http::router<endpoint> routes;
  const auto add = [&routes](http::method verb, std::string_view pattern, route_handler serve,
                             describe_operation describe,
                             body_mode body = body_mode::whole) { routes.add(verb, pattern, {serve, describe, body}); };
  add(post, "/users", create_user, operations::create_user);
  add(get, "/users/{user_id}", get_user, operations::get_user);
  add(post, "/users/{user_id}/add-funds", add_funds, operations::add_funds);
  add(get, "/users/{user_id}/inventory", get_inventory, operations::get_inventory);
  add(get, "/users/{user_id}/transactions", list_transactions, operations::list_transactions);
  add(get, "/users/{user_id}/transactions/{version}", get_transaction, operations::get_transaction);
  add(post, "/users/{user_id}/transactions/{version}/refund", refund, operations::refund);
  add(post, "/users/{user_id}/grants", grant, operations::grant);
  add(get, "/users/{user_id}/operations/{idempotency_key}", get_operation, operations::get_operation);
  add(get, "/users/{user_id}/statement", get_statement, operations::get_statement);
  add(post, "/products", create_product, operations::create_product);
  add(get, "/products", list_products, operations::list_products);
  add(get, "/products/{product_id}", get_product, operations::get_product);
  add(patch, "/products/{product_id}", change_product, operations::change_product);
  add(post, "/products/{product_id}/purchase", purchase, operations::purchase);
  add(post, "/products/{product_id}/use", use, operations::use);
  add(post, "/batch", run_batch, operations::run_batch);
  add(post, "/grants/bulk", grant_in_bulk, operations::grant_in_bulk, body_mode::streamed);
  add(get, "/analytics/popular-products", popular_products, operations::popular_products);
  add(get, "/livez", livez, operations::livez);
  add(get, "/readyz", readyz, operations::readyz);
  add(get, "/healthz", healthz, operations::healthz);
  add(get, "/openapi.json", get_openapi, operations::openapi);
  add(get, "/docs", get_docs, operations::docs);
  add(get, "/docs/docs.css", get_docs_style, operations::docs_style);
  add(get, "/docs/docs.js", get_docs_script, operations::docs_script);
  add(get, "/problems", list_problems, operations::list_problems);
  add(get, "/problems/{problem_code}", get_problem, operations::get_problem);
  routes.compile();
  return routes;
}

}  // namespace coffer::api
