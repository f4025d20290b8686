// POST /users/{user_id}/grants, and what a grant is as an operation of a batch and as a line of an upload.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/endpoints/body_members.hpp"
#include "coffer/api/openapi/samples.hpp"

namespace coffer::api {

/// POST /users/{user_id}/grants: credits, or units of a product; negative numbers take.
struct grant_body {
  std::optional<std::int64_t> credits;
  std::optional<product_id> product;
  std::optional<std::int64_t> quantity;
  std::string reason;
  bool note_public = false;
};

/// Adds what is wrong with a grant's members together: exactly one of the two kinds, nothing of 0.
inline void check_grant(const grant_body& what, json::violations& found) {
  if (what.credits.has_value() == what.product.has_value()) {
    found.add("credits", "one_of", "give either credits, or product_id and quantity");
  } else if (what.product && !what.quantity) {
    found.add("quantity", "required", "is required with product_id");
  } else if (what.credits && what.quantity) {
    found.add("quantity", "one_of", "does not go with credits");
  }
  if (what.credits == 0) {
    found.add("credits", "not_zero", "must not be 0");
  }
  if (what.quantity == 0) {
    found.add("quantity", "not_zero", "must not be 0");
  }
}

/// Adds its members to the description of a body that has them.
template <typename Body>
json::object<Body> with_grant_members(json::object<Body> schema) {
  schema
      .optional("credits", of_part<Body>(&grant_body::credits),
                json::integer{-domain::max_credits.value, domain::max_credits.value},
                "Whole credits; negative: taken away. Not 0.")
      .optional("product_id", of_part<Body>(&grant_body::product), any_id,
                "What is given or taken, instead of credits.")
      .optional("quantity", of_part<Body>(&grant_body::quantity), json::integer{-domain::max_grant, domain::max_grant},
                "Units of the product; negative: taken away. Not 0.")
      .required("reason", of_part<Body>(&grant_body::reason), operator_reason, reason_help)
      .optional("note_public", of_part<Body>(&grant_body::note_public), json::boolean{}, note_public_help)
      .rule([](const Body& body, json::violations& found) { check_grant(body, found); });
  return schema;
}

inline const json::object<grant_body>& grant_schema() {
  static const auto schema = with_grant_members(json::object<grant_body>{"Grant"});
  return schema;
}

inline domain::command grant_command(request_identity who, user_id user, const grant_body& what) {
  domain::command made = begin_command(domain::transaction_kind::grant, user, std::move(who));
  made.note = what.reason;
  made.note_public = what.note_public;
  if (what.product) {
    made.product = what.product;
    made.quantity = what.quantity.value_or(0);
    sign(made, what.note_public ? "grant-items-public" : "grant-items", user.value,
         {what.product->value, made.quantity}, what.reason);
  } else {
    made.amount = domain::credits{what.credits.value_or(0)};
    sign(made, what.note_public ? "grant-credits-public" : "grant-credits", user.value, {made.amount.value},
         what.reason);
  }
  return made;
}

inline net::task<http::response> grant(context& with, call c) {
  auto wish = read_write(grant_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  domain::command made = grant_command({c, std::move(wish->key)}, user_id{c.params[0]}, wish->body);
  const domain::verdict v = co_await with.wallet.run(std::move(made), c.request.deadline);
  co_return answer_verdict(v, c);
}

inline description describe_grant(const document_facts&) {
  using enum errc;
  return {.id = "grant",
          .tag = "Wallet",
          .summary = "Grant or take credits or items",
          .text =
              "For operators: gifts, corrections, compensation. Follows no terms of sale: inactive products may be "
              "granted, stocks and limits are not touched.",
          .headers = {key_parameter(false)},
          .body = body_of(grant_schema(), R"({"product_id":1,"quantity":3,"reason":"compensation for the outage"})"),
          .replies = {receipt_reply(samples::grant())},
          .errors = {invalid_idempotency_key, idempotency_key_reused, user_not_found, product_not_found,
                     insufficient_funds, not_enough_items, already_owned, limit_reached, balance_limit_exceeded}};
}

inline constexpr endpoint grant_endpoint{
    .verb = http::method::post,
    .path = "/users/{user_id}/grants",
    .serve = grant,
    .describe = describe_grant,
    .who = access::needs(auth::scope::grants_write, subject_place::path, limit::route_class::funds),
    .body = body_kind::json};

}  // namespace coffer::api
