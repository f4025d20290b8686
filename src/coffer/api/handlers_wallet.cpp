#include "coffer/api/answers.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/idempotency.hpp"

namespace coffer::api {

namespace {

/// Stands for an absent optional member in a fingerprint; no valid value is negative.
constexpr std::int64_t absent = -1;

/// The request's identity for the journal; the fingerprint is made only when there is a key.
service::request_identity identify(const http::request& r, std::string key, std::string_view operation,
                                   std::int64_t path_id, std::initializer_list<std::int64_t> canonical_body) {
  service::request_identity who;
  who.request_id = r.request_id;
  if (!key.empty()) {
    who.print = fingerprint_of(operation, path_id, canonical_body);
    who.idempotency_key = std::move(key);
  }
  return who;
}

}  // namespace

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
  auto who = identify(c.request, *std::move(key), "add-funds", c.params[0], {body->amount.value});
  const domain::verdict v =
      co_await with.wallet.deposit(user_id{c.params[0]}, body->amount, std::move(who), c.request.deadline);
  co_return answer_verdict(v, c.request);
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
  auto who = identify(c.request, *std::move(key), "purchase", c.params[0],
                      {body->user.value, body->quantity, body->expected_price ? body->expected_price->value : absent});
  const domain::verdict v = co_await with.wallet.purchase(body->user, product_id{c.params[0]}, body->quantity,
                                                          body->expected_price, std::move(who), c.request.deadline);
  co_return answer_verdict(v, c.request);
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
  auto who = identify(c.request, *std::move(key), "use", c.params[0], {body->user.value, body->quantity});
  const domain::verdict v =
      co_await with.wallet.use(body->user, product_id{c.params[0]}, body->quantity, std::move(who), c.request.deadline);
  co_return answer_verdict(v, c.request);
}

}  // namespace coffer::api
