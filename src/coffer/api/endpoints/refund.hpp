// POST /users/{user_id}/transactions/{version}/refund: of a purchase, or of a deposit (a chargeback); and what a refund
// is as an operation of a batch.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/endpoints/body_members.hpp"
#include "coffer/api/openapi/samples.hpp"

namespace coffer::api {

/// POST /users/{user_id}/transactions/{version}/refund
struct refund_body {
  std::optional<std::int64_t> quantity;  ///< nullopt: all that is possible
  bool force = false;
  bool up_to = false;
  std::string reason;
  bool note_public = false;
};

/// Adds its members to the description of a body that has them.
template <typename Body>
json::object<Body> with_refund_members(json::object<Body> schema) {
  schema
      .optional("quantity", of_part<Body>(&refund_body::quantity), any_quantity,
                "Units of a purchase to take back; without: all that can be.")
      .optional("force", of_part<Body>(&refund_body::force), json::boolean{},
                "Of a purchase: whether units that are used up are paid back as well; they are booked as missing.")
      .optional("up_to", of_part<Body>(&refund_body::up_to), json::boolean{},
                "Of a deposit: whether as much as is there is taken back where that is not all; the rest is booked as "
                "missing.")
      .required("reason", of_part<Body>(&refund_body::reason), operator_reason, reason_help)
      .optional("note_public", of_part<Body>(&refund_body::note_public), json::boolean{}, note_public_help);
  return schema;
}

inline const json::object<refund_body>& refund_schema() {
  static const auto schema = with_refund_members(json::object<refund_body>{"Refund"});
  return schema;
}

/// What of a refund does not go with the transaction that it is about; no fields: all does.
inline error check_refund(const refund_body& what, const domain::transaction& row) {
  error found{errc::validation_failed};
  const auto add = [&found](const char* pointer, const char* detail) {
    found.fields.push_back({.pointer = pointer, .code = "other_kind", .detail = detail, .params = {}});
  };
  if (row.kind == domain::transaction_kind::deposit) {
    if (what.quantity) {
      add("#/quantity", "must be left out: the transaction is a deposit, which is taken back as a whole");
    }
    if (what.force) {
      add("#/force", "must be left out: the transaction is a deposit; up_to takes back what is there");
    }
  } else if (what.up_to) {
    add("#/up_to", "must be left out: the transaction is no deposit");
  }
  return found;
}

/// `row` is the transaction that is refunded, as the journal has it.
inline domain::command refund_command(request_identity who, const domain::transaction& row, const refund_body& what) {
  domain::command made = begin_command(domain::transaction_kind::refund, row.user, std::move(who));
  made.product = row.product;
  made.purchase = domain::to_refund(row);
  made.quantity = what.quantity.value_or(0);
  made.force = what.force;
  made.up_to = what.up_to;
  made.note = what.reason;
  made.note_public = what.note_public;
  // Without the newer flags the number is what it always was: keys of earlier versions still match.
  const std::int64_t flags = (what.force ? 1 : 0) + (what.up_to ? 2 : 0) + (what.note_public ? 4 : 0);
  sign(made, "refund", row.user.value, {row.at.value, made.quantity, flags}, what.reason);
  return made;
}

inline net::task<http::response> refund(context& with, call c) {
  auto wish = read_write(refund_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  const auto row = co_await with.history.find(user_id{c.params[0]}, version{c.params[1]}, c.request.deadline);
  if (!row) {
    co_return refuse(row.error(), c.request);
  }
  if (const error odd = check_refund(wish->body, *row); !odd.fields.empty()) {
    co_return refuse(odd, c.request);
  }
  domain::command made = refund_command({c, std::move(wish->key)}, *row, wish->body);
  const domain::verdict v = co_await with.wallet.run(std::move(made), c.request.deadline);
  co_return answer_verdict(v, c);
}

inline description describe_refund(const document_facts&) {
  using enum errc;
  return {
      .id = "refundPurchase",
      .tag = "Wallet",
      .summary = "Refund a purchase, or take a deposit back",
      .text =
          "Of a purchase: gives back the price that was paid and takes the units back in the same transaction, each "
          "unit once. What has been used up is refundable only with `force`, and is booked as missing. Of a deposit "
          "(a chargeback): takes all its credits back, once. Where some have been spent it is refused with what was "
          "`requested` and what is `refundable`; with `up_to` it takes what is there and books the rest as `missing`.",
      .headers = {key_parameter(false)},
      .body = body_of(refund_schema(), R"({"quantity":1,"reason":"bought by accident"})"),
      .replies = {receipt_reply(samples::refund())},
      .errors = {invalid_idempotency_key, idempotency_key_reused, user_not_found, transaction_not_found, not_refundable,
                 already_refunded, balance_limit_exceeded}};
}

inline constexpr endpoint refund_endpoint{
    .verb = http::method::post,
    .path = "/users/{user_id}/transactions/{version}/refund",
    .serve = refund,
    .describe = describe_refund,
    .who = access::needs(auth::scope::refunds_write, subject_place::path, limit::route_class::funds),
    .body = body_kind::json};

}  // namespace coffer::api
