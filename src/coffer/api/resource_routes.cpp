// Compiles the endpoints of users, products, events, webhooks, keys, reports and the server itself.
#include "coffer/api/endpoints/account_statement.hpp"
#include "coffer/api/endpoints/documents.hpp"
#include "coffer/api/endpoints/events.hpp"
#include "coffer/api/endpoints/inventory.hpp"
#include "coffer/api/endpoints/keys.hpp"
#include "coffer/api/endpoints/popular_products.hpp"
#include "coffer/api/endpoints/probes.hpp"
#include "coffer/api/endpoints/products.hpp"
#include "coffer/api/endpoints/transactions.hpp"
#include "coffer/api/endpoints/users.hpp"
#include "coffer/api/endpoints/webhooks.hpp"
#include "coffer/api/routes.hpp"

namespace coffer::api {

void add_resource_routes(http::router<endpoint>& routes) {
  detail::add_endpoints(routes, user_endpoints, inventory_endpoint, transaction_endpoints, account_statement_endpoint,
                        product_endpoints, popular_products_endpoint, events_endpoint, webhook_endpoints, key_endpoints,
                        probe_endpoints, document_endpoints);
}

}  // namespace coffer::api
