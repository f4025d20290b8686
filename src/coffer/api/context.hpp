// What handlers work with: the services of their thread and the request at hand.
#pragma once

#include "coffer/api/gate.hpp"
#include "coffer/api/upload_slots.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/router.hpp"
#include "coffer/net/task_group.hpp"
#include "coffer/service/account_statements.hpp"
#include "coffer/service/analytics.hpp"
#include "coffer/service/catalogue.hpp"
#include "coffer/service/events.hpp"
#include "coffer/service/health.hpp"
#include "coffer/service/history.hpp"
#include "coffer/service/inventory.hpp"
#include "coffer/service/outcomes.hpp"
#include "coffer/service/users.hpp"
#include "coffer/service/wallet.hpp"
#include "coffer/service/webhooks.hpp"

namespace coffer::api {

struct documents;

/// The services of one thread, and what of the configuration the API shows.
struct context {
  service::users& users;
  service::catalogue& catalogue;
  service::wallet& wallet;
  service::history& history;
  service::inventory& inventory;
  service::outcomes& outcomes;
  service::account_statements& account_statements;
  service::analytics& analytics;
  service::health& health;
  service::keys& keys;
  service::events& events;
  service::webhooks& webhooks;
  api::gate& gate;
  std::int64_t max_deposit = 0;  ///< credits per deposit
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

}  // namespace coffer::api
