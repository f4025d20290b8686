// What operators do to a wallet: grants and refunds.
#include "coffer/api/answers.hpp"
#include "coffer/api/grant.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/idempotency.hpp"

namespace coffer::api {

net::task<http::response> grant(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  auto body = read_body(grant_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  service::request_identity who = identify(c, *std::move(key), [] { return domain::fingerprint{}; });
  const domain::verdict v =
      co_await decide_grant(with.wallet, user_id{c.params[0]}, *std::move(body), std::move(who), c.request.deadline);
  co_return answer_verdict(v, c.request);
}

net::task<http::response> refund(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  const auto body = read_body(refund_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  const user_id user{c.params[0]};
  auto purchase = co_await with.history.find(user, version{c.params[1]}, c.request.deadline);
  if (!purchase) {
    co_return refuse(purchase.error(), c.request);
  }
  const std::int64_t units = body->quantity.value_or(0);
  auto who =
      identify(c, *std::move(key), [&] { return refund_print(user, purchase->at, units, body->force, body->reason); });
  const domain::verdict v = co_await with.wallet.refund(*std::move(purchase), units, body->force, body->reason,
                                                        std::move(who), c.request.deadline);
  co_return answer_verdict(v, c.request);
}

}  // namespace coffer::api
