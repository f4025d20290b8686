// The one file that compiles the endpoints.
#include "coffer/api/routes.hpp"

#include <span>

#include "coffer/api/endpoints/account_statement.hpp"
#include "coffer/api/endpoints/add_funds.hpp"
#include "coffer/api/endpoints/batch.hpp"
#include "coffer/api/endpoints/bulk_grants.hpp"
#include "coffer/api/endpoints/documents.hpp"
#include "coffer/api/endpoints/grant.hpp"
#include "coffer/api/endpoints/inventory.hpp"
#include "coffer/api/endpoints/keys.hpp"
#include "coffer/api/endpoints/outcomes.hpp"
#include "coffer/api/endpoints/popular_products.hpp"
#include "coffer/api/endpoints/probes.hpp"
#include "coffer/api/endpoints/products.hpp"
#include "coffer/api/endpoints/purchase.hpp"
#include "coffer/api/endpoints/refund.hpp"
#include "coffer/api/endpoints/transactions.hpp"
#include "coffer/api/endpoints/use.hpp"
#include "coffer/api/endpoints/users.hpp"

namespace coffer::api {

namespace {

std::span<const endpoint> lines_of(const endpoint& only) { return {&only, 1}; }
std::span<const endpoint> lines_of(std::span<const endpoint> all) { return all; }

}  // namespace

http::router<endpoint> make_routes() {
  http::router<endpoint> routes;
  const auto add = [&routes](const auto&... resources) {
    for (const std::span<const endpoint> resource : {lines_of(resources)...}) {
      for (endpoint line : resource) {
        // What asks for credentials and only looks.
        if (line.verb == http::method::get && !line.who.is_open) {
          line.who.counts_as = limit::route_class::read;
        }
        routes.add(line.verb, line.path, line);
      }
    }
  };
  add(user_endpoints, add_funds_endpoint, inventory_endpoint, transaction_endpoints, refund_endpoint, grant_endpoint,
      outcome_endpoint, account_statement_endpoint, product_endpoints, purchase_endpoint, use_endpoint, batch_endpoint,
      bulk_grants_endpoint, popular_products_endpoint, key_endpoints, probe_endpoints, document_endpoints);
  routes.compile();
  return routes;
}

}  // namespace coffer::api
