// What handlers work with: the services of their thread and the request at hand.
#pragma once

#include "coffer/api/dto.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"
#include "coffer/http/router.hpp"
#include "coffer/service/analytics.hpp"
#include "coffer/service/catalogue.hpp"
#include "coffer/service/health.hpp"
#include "coffer/service/history.hpp"
#include "coffer/service/inventory.hpp"
#include "coffer/service/users.hpp"
#include "coffer/service/wallet.hpp"

namespace coffer::api {

/// The services of one thread, and what of the configuration the API shows.
struct context {
  service::users& users;
  service::catalogue& catalogue;
  service::wallet& wallet;
  service::history& history;
  service::inventory& inventory;
  service::analytics& analytics;
  service::health& health;
  json::object<add_funds_body> add_funds;
};

/// A request and the integers of its path.
struct call {
  http::request& request;
  http::path_params params;
};

/// One line of the route table: parse, call a service, map. Refusals are values; pg::error passes through to dispatch.
using route_handler = net::task<http::response> (*)(context& with, call c);

}  // namespace coffer::api
