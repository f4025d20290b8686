// Compiles the endpoints that write to the journal.
#include "coffer/api/endpoints/add_funds.hpp"
#include "coffer/api/endpoints/batch.hpp"
#include "coffer/api/endpoints/bulk_grants.hpp"
#include "coffer/api/endpoints/grant.hpp"
#include "coffer/api/endpoints/outcomes.hpp"
#include "coffer/api/endpoints/purchase.hpp"
#include "coffer/api/endpoints/refund.hpp"
#include "coffer/api/endpoints/use.hpp"
#include "coffer/api/routes.hpp"

namespace coffer::api {

void add_journal_routes(http::router<endpoint>& routes) {
  detail::add_endpoints(routes, add_funds_endpoint, refund_endpoint, grant_endpoint, outcome_endpoint,
                        purchase_endpoint, use_endpoint, batch_endpoint, bulk_grants_endpoint);
}

}  // namespace coffer::api
