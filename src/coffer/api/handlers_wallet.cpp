#include "coffer/api/answers.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/idempotency.hpp"

namespace coffer::api {

net::task<http::response> add_funds(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (key && key->empty()) {
    key = std::unexpected(error{errc::idempotency_key_required});
  }
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  const auto body = read_body(with.add_funds, c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  const user_id user{c.params[0]};
  auto who = identify(c, *std::move(key), [&] { return deposit_print(user, body->amount); });
  const domain::verdict v = co_await with.wallet.deposit(user, body->amount, std::move(who), c.request.deadline);
  co_return answer_verdict(v, c);
}

net::task<http::response> purchase(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  const auto body = read_body(purchase_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  if (const auto allowed = with.gate.enter(c.by, body->user); !allowed) {
    co_return refuse(allowed.error(), c.request);
  }
  const product_id product{c.params[0]};
  auto who = identify(c, *std::move(key),
                      [&] { return purchase_print(product, body->user, body->quantity, body->expected_price); });
  const domain::verdict v = co_await with.wallet.purchase(body->user, product, body->quantity, body->expected_price,
                                                          std::move(who), c.request.deadline);
  co_return answer_verdict(v, c);
}

net::task<http::response> use(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  const auto body = read_body(use_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  if (const auto allowed = with.gate.enter(c.by, body->user); !allowed) {
    co_return refuse(allowed.error(), c.request);
  }
  const product_id product{c.params[0]};
  auto who = identify(c, *std::move(key), [&] { return use_print(product, body->user, body->quantity); });
  const domain::verdict v =
      co_await with.wallet.use(body->user, product, body->quantity, std::move(who), c.request.deadline);
  co_return answer_verdict(v, c);
}

}  // namespace coffer::api
