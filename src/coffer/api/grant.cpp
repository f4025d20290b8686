#include "coffer/api/grant.hpp"

#include "coffer/api/idempotency.hpp"

namespace coffer::api {

net::task<domain::verdict> decide_grant(service::wallet& with, user_id user, grant_body what, std::string key,
                                        std::string request_id, net::deadline until) {
  service::request_identity who;
  who.request_id = std::move(request_id);
  const bool keyed = !key.empty();
  who.idempotency_key = std::move(key);
  if (what.product) {
    const std::int64_t units = what.quantity.value_or(0);
    if (keyed) {
      who.print = grant_items_print(user, *what.product, units, what.reason);
    }
    return with.grant_items(user, *what.product, units, std::move(what.reason), std::move(who), until);
  }
  const domain::credits amount{what.credits.value_or(0)};
  if (keyed) {
    who.print = grant_credits_print(user, amount, what.reason);
  }
  return with.grant_credits(user, amount, std::move(what.reason), std::move(who), until);
}

}  // namespace coffer::api
