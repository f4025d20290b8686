#include "coffer/api/grant.hpp"

#include "coffer/api/idempotency.hpp"

namespace coffer::api {

net::task<domain::verdict> decide_grant(service::wallet& with, user_id user, grant_body what,
                                        service::request_identity who, net::deadline until) {
  const bool keyed = !who.idempotency_key.empty();
  if (what.product) {
    const std::int64_t units = what.quantity.value_or(0);
    if (keyed) {
      who.print = grant_items_print(user, *what.product, units, what.reason, what.note_public);
    }
    return with.grant_items(user, *what.product, units, {std::move(what.reason), what.note_public}, std::move(who),
                            until);
  }
  const domain::credits amount{what.credits.value_or(0)};
  if (keyed) {
    who.print = grant_credits_print(user, amount, what.reason, what.note_public);
  }
  return with.grant_credits(user, amount, {std::move(what.reason), what.note_public}, std::move(who), until);
}

}  // namespace coffer::api
