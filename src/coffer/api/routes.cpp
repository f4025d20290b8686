#include "coffer/api/routes.hpp"

#include "coffer/api/handlers.hpp"
#include "coffer/api/operations.hpp"

namespace coffer::api {

http::router<endpoint> make_routes() {
  using enum http::method;
  using auth::scope;
  using limit::route_class;
  http::router<endpoint> routes;
  const auto add = [&routes](http::method verb, std::string_view pattern, route_handler serve,
                             describe_operation describe, access who, body_mode body = body_mode::whole) {
    // What asks for credentials and only looks.
    who.counts_as = verb == get && !who.is_open ? route_class::read : who.counts_as;
    routes.add(verb, pattern, {serve, describe, who, body});
  };
  constexpr access everybody = access::open();
  constexpr access probes = access::probe();
  constexpr access reads_user = access::needs(scope::inventory_read, subject_place::path);
  constexpr access administers_keys = access::needs(scope::keys_admin);
  add(post, "/users", create_user, operations::create_user, access::needs(scope::funds_write));
  add(get, "/users", find_users, operations::find_users, access::needs(scope::inventory_read));
  add(get, "/users/{user_id}", get_user, operations::get_user, reads_user);
  add(post, "/users/{user_id}/add-funds", add_funds, operations::add_funds,
      access::needs(scope::funds_write, subject_place::path, route_class::funds));
  add(get, "/users/{user_id}/inventory", get_inventory, operations::get_inventory, reads_user);
  add(get, "/users/{user_id}/transactions", list_transactions, operations::list_transactions, reads_user);
  add(get, "/users/{user_id}/transactions/{version}", get_transaction, operations::get_transaction, reads_user);
  add(post, "/users/{user_id}/transactions/{version}/refund", refund, operations::refund,
      access::needs(scope::refunds_write, subject_place::path, route_class::funds));
  add(post, "/users/{user_id}/grants", grant, operations::grant,
      access::needs(scope::grants_write, subject_place::path, route_class::funds));
  add(get, "/users/{user_id}/operations/{idempotency_key}", get_operation, operations::get_operation, reads_user);
  add(get, "/users/{user_id}/statement", get_statement, operations::get_statement, reads_user);
  add(post, "/products", create_product, operations::create_product, access::needs(scope::catalog_write));
  add(get, "/products", list_products, operations::list_products, access::needs(scope::catalog_read));
  add(get, "/products/{product_id}", get_product, operations::get_product, access::needs(scope::catalog_read));
  add(patch, "/products/{product_id}", change_product, operations::change_product, access::needs(scope::catalog_write));
  add(post, "/products/{product_id}/purchase", purchase, operations::purchase,
      access::needs(scope::purchases_write, subject_place::body, route_class::purchase));
  add(post, "/products/{product_id}/use", use, operations::use,
      access::needs(scope::inventory_write, subject_place::body, route_class::use));
  add(post, "/batch", run_batch, operations::run_batch, access::by_operation());
  add(post, "/grants/bulk", grant_in_bulk, operations::grant_in_bulk,
      access::needs(scope::grants_write, subject_place::none, route_class::funds), body_mode::streamed);
  add(get, "/analytics/popular-products", popular_products, operations::popular_products,
      access::needs(scope::analytics_read));
  add(post, "/keys", create_key, operations::create_key, administers_keys);
  add(get, "/keys", list_keys, operations::list_keys, administers_keys.or_needs(scope::admin_read));
  add(delete_, "/keys/{key_id}", revoke_key, operations::revoke_key, administers_keys);
  add(get, "/livez", livez, operations::livez, probes);
  add(get, "/readyz", readyz, operations::readyz, probes);
  add(get, "/healthz", healthz, operations::healthz, probes);
  add(get, "/", get_root, operations::root, everybody);
  add(get, "/openapi.json", get_openapi, operations::openapi, everybody);
  add(get, "/docs", get_docs, operations::docs, everybody);
  add(get, "/docs/docs.css", get_docs_style, operations::docs_style, everybody);
  add(get, "/docs/docs.js", get_docs_script, operations::docs_script, everybody);
  add(get, "/problems", list_problems, operations::list_problems, everybody);
  add(get, "/problems/{problem_code}", get_problem, operations::get_problem, everybody);
  routes.compile();
  return routes;
}

}  // namespace coffer::api
