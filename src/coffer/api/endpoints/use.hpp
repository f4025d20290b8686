// POST /products/{product_id}/use, and what a use is as an operation of a batch.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/endpoints/body_members.hpp"
#include "coffer/api/openapi/samples.hpp"

namespace coffer::api {

/// What a use says besides whose units of what it takes.
struct use_terms {
  std::int64_t quantity = 1;
};

/// Adds that member to the description of a body that has it.
template <typename Body>
json::object<Body> with_use_members(json::object<Body> schema) {
  schema.optional("quantity", of_part<Body>(&use_terms::quantity), any_quantity, "Units to use up.");
  return schema;
}

inline domain::command use_command(request_identity who, user_id user, product_id product, const use_terms& what) {
  domain::command made = begin_command(domain::transaction_kind::use, user, std::move(who));
  made.product = product;
  made.quantity = what.quantity;
  sign(made, "use", product.value, {user.value, what.quantity});
  return made;
}

/// POST /products/{product_id}/use
struct use_body : use_terms {
  claimed_user_id user;
};

inline const json::object<use_body>& use_schema() {
  static const auto schema =
      with_use_members(json::object<use_body>{"Use"}.required("user_id", &use_body::user, any_id, "The owner."));
  return schema;
}

inline net::task<http::response> use(context& with, call c) {
  auto wish = read_write(use_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  const auto user = with.gate.enter(c.by, wish->body.user);
  if (!user) {
    co_return refuse(user.error(), c.request);
  }
  domain::command made = use_command({c, std::move(wish->key)}, *user, product_id{c.params[0]}, wish->body);
  const domain::verdict v = co_await with.wallet.run(std::move(made), c.request.deadline);
  co_return answer_verdict(v, c);
}

inline description describe_use(const document_facts&) {
  using enum errc;
  return {.id = "useProduct",
          .tag = "Wallet",
          .summary = "Use up a consumable",
          .text = "Takes units out of the user's inventory.",
          .headers = {key_parameter(false)},
          .body = body_of(use_schema(), R"({"user_id":1})"),
          .replies = {receipt_reply(samples::use())},
          .errors = {invalid_idempotency_key, idempotency_key_reused, user_not_found, product_not_found, not_consumable,
                     not_enough_items}};
}

inline constexpr endpoint use_endpoint{
    .verb = http::method::post,
    .path = "/products/{product_id}/use",
    .serve = use,
    .describe = describe_use,
    .who = access::needs(auth::scope::inventory_write, subject_place::body, limit::route_class::use),
    .body = body_kind::json};

}  // namespace coffer::api
