// POST /products/{product_id}/purchase, and what a purchase is as an operation of a batch.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/endpoints/body_members.hpp"
#include "coffer/api/openapi/samples.hpp"

namespace coffer::api {

/// What a purchase says besides who buys what.
struct purchase_terms {
  std::int64_t quantity = 1;
  std::optional<domain::credits> expected_price;
};

/// Adds those members to the description of a body that has them.
template <typename Body>
json::object<Body> with_purchase_members(json::object<Body> schema) {
  schema
      .optional("quantity", of_part<Body>(&purchase_terms::quantity), any_quantity,
                "Units; must be 1 for a permanent product.")
      .optional("expected_price", of_part<Body>(&purchase_terms::expected_price), any_price,
                "Price per unit that the buyer saw; another price refuses the purchase.");
  return schema;
}

inline domain::command purchase_command(request_identity who, user_id user, product_id product,
                                        const purchase_terms& what) {
  constexpr std::int64_t absent = -1;  // no price is negative
  domain::command made = begin_command(domain::transaction_kind::purchase, user, std::move(who));
  made.product = product;
  made.quantity = what.quantity;
  made.expected_price = what.expected_price;
  sign(made, "purchase", product.value,
       {user.value, what.quantity, what.expected_price ? what.expected_price->value : absent});
  return made;
}

/// POST /products/{product_id}/purchase
struct purchase_body : purchase_terms {
  claimed_user_id user;
};

inline const json::object<purchase_body>& purchase_schema() {
  static const auto schema = with_purchase_members(
      json::object<purchase_body>{"Purchase"}.required("user_id", &purchase_body::user, any_id, "The buyer."));
  return schema;
}

inline net::task<http::response> purchase(context& with, call c) {
  auto wish = read_write(purchase_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  const auto user = with.gate.enter(c.by, wish->body.user);
  if (!user) {
    co_return refuse(user.error(), c.request);
  }
  domain::command made = purchase_command({c, std::move(wish->key)}, *user, product_id{c.params[0]}, wish->body);
  const domain::verdict v = co_await with.wallet.run(std::move(made), c.request.deadline);
  co_return answer_verdict(v, c);
}

inline description describe_purchase(const document_facts&) {
  using enum errc;
  return {
      .id = "purchaseProduct",
      .tag = "Wallet",
      .summary = "Buy a product",
      .text =
          "Takes the price and gives the units in one database transaction. A refusal (402, 409) under a key is "
          "recorded and replayed: a retry never turns it into a late success.",
      .headers = {key_parameter(false)},
      .body = body_of(purchase_schema(), R"({"user_id":1,"quantity":2,"expected_price":100})"),
      .replies = {receipt_reply(samples::purchase())},
      .errors = {invalid_idempotency_key, idempotency_key_reused, user_not_found, product_not_found, insufficient_funds,
                 product_inactive, not_on_sale, price_changed, already_owned, limit_reached, sold_out}};
}

inline constexpr endpoint purchase_endpoint{
    .verb = http::method::post,
    .path = "/products/{product_id}/purchase",
    .serve = purchase,
    .describe = describe_purchase,
    .who = access::needs(auth::scope::purchases_write, subject_place::body, limit::route_class::purchase),
    .body = body_kind::json};

}  // namespace coffer::api
