// What handlers work with: the services of their thread and the request at hand.
#pragma once

#include <variant>

#include "coffer/api/batch_body.hpp"
#include "coffer/api/document.hpp"
#include "coffer/api/dto.hpp"
#include "coffer/api/gate.hpp"
#include "coffer/api/upload_slots.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"
#include "coffer/http/router.hpp"
#include "coffer/net/task_group.hpp"
#include "coffer/service/analytics.hpp"
#include "coffer/service/catalogue.hpp"
#include "coffer/service/health.hpp"
#include "coffer/service/history.hpp"
#include "coffer/service/inventory.hpp"
#include "coffer/service/outcomes.hpp"
#include "coffer/service/statements.hpp"
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
  service::outcomes& outcomes;
  service::statements& statements;
  service::analytics& analytics;
  service::health& health;
  service::keys& keys;
  api::gate& gate;
  json::object<add_funds_body> add_funds;
  json::object<batch_body> batch;
  const documents& described;
  net::task_group& tasks;  ///< for what goes on when a client has gone
  upload_slots& uploads;
  held_answers_options held;
};

/// A request, the integers of its path, and who sends it.
struct call {
  http::request& request;
  http::path_params params;
  admission& by;
};

/// What one line of the route table calls: parses, calls a service, maps. Refusals are values; pg::error passes through
/// to dispatch. A plain function serves what needs to wait for nothing.
using route_handler =
    std::variant<net::task<http::response> (*)(context& with, call c), http::response (*)(context& with, call c)>;

}  // namespace coffer::api
