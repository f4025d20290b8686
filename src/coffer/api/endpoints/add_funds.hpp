// POST /users/{user_id}/add-funds, and what a deposit is as an operation of a batch.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/endpoints/body_members.hpp"
#include "coffer/api/openapi/samples.hpp"

namespace coffer::api {

/// POST /users/{user_id}/add-funds
struct add_funds_body {
  domain::credits amount;
};

/// Adds its member to the description of a body that has it. Deposits end at `max_deposit` credits.
template <typename Body>
json::object<Body> with_add_funds_members(json::object<Body> schema, std::int64_t max_deposit) {
  schema.required("amount", of_part<Body>(&add_funds_body::amount), json::integer{1, max_deposit}, "Whole credits.");
  return schema;
}

inline json::object<add_funds_body> make_add_funds_schema(std::int64_t max_deposit) {
  return with_add_funds_members(json::object<add_funds_body>{"AddFunds"}, max_deposit);
}

inline domain::command add_funds_command(request_identity who, user_id user, const add_funds_body& what) {
  domain::command made = begin_command(domain::transaction_kind::deposit, user, std::move(who));
  made.amount = what.amount;
  sign(made, "add-funds", user.value, {what.amount.value});
  return made;
}

inline net::task<http::response> add_funds(context& with, call c) {
  // Before the body is looked at: without a key nothing else matters.
  if (!c.request.header("Idempotency-Key")) {
    co_return refuse(error{errc::idempotency_key_required}, c.request);
  }
  auto wish = read_write(made_once(make_add_funds_schema, with.max_deposit), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  domain::command made = add_funds_command({c, std::move(wish->key)}, user_id{c.params[0]}, wish->body);
  const domain::verdict v = co_await with.wallet.run(std::move(made), c.request.deadline);
  co_return answer_verdict(v, c);
}

inline description describe_add_funds(const document_facts& facts) {
  using enum errc;
  return {.id = "addFunds",
          .tag = "Wallet",
          .summary = "Add funds",
          .text = "Needs an Idempotency-Key, so that a payment that is reported twice counts once.",
          .headers = {key_parameter(true)},
          .body = body_of(make_add_funds_schema(facts.max_deposit), R"({"amount":10000})"),
          .replies = {receipt_reply(samples::deposit())},
          .errors = {idempotency_key_required, invalid_idempotency_key, idempotency_key_reused, user_not_found,
                     balance_limit_exceeded}};
}

inline constexpr endpoint add_funds_endpoint{
    .verb = http::method::post,
    .path = "/users/{user_id}/add-funds",
    .serve = add_funds,
    .describe = describe_add_funds,
    .who = access::needs(auth::scope::funds_write, subject_place::path, limit::route_class::funds),
    .body = body_kind::json};

}  // namespace coffer::api
