// What moves credits and items.
#include "coffer/api/batch_body.hpp"
#include "coffer/api/bulk_body.hpp"
#include "coffer/api/dto.hpp"
#include "coffer/api/idempotency.hpp"
#include "coffer/api/operations.hpp"
#include "coffer/api/render.hpp"
#include "coffer/api/samples.hpp"

namespace coffer::api::operations {

using enum errc;

namespace {

reply receipt(std::string_view text, const domain::transaction& sample) {
  return {.status = 201,
          .text = text,
          .shape = "Receipt",
          .headers = {"Location", "Idempotent-Replayed"},
          .example = render_receipt({sample, audience::operators})};
}

}  // namespace

operation add_funds(const document_facts& facts) {
  return {.id = "addFunds",
          .tag = "Wallet",
          .summary = "Add funds",
          .text = "Needs an Idempotency-Key, so that a payment that is reported twice counts once.",
          .parameters = {key_parameter(true)},
          .body = body_of(make_add_funds_schema(facts.max_deposit), R"({"amount":10000})"),
          .replies = {receipt("The receipt.", samples::deposit())},
          .errors = {idempotency_key_required, invalid_idempotency_key, idempotency_key_reused, user_not_found,
                     balance_limit_exceeded}};
}

operation purchase(const document_facts&) {
  return {
      .id = "purchaseProduct",
      .tag = "Wallet",
      .summary = "Buy a product",
      .text =
          "Takes the price and gives the units in one database transaction. A refusal (402, 409) under a key is "
          "recorded and replayed: a retry never turns it into a late success.",
      .parameters = {key_parameter(false)},
      .body = body_of(purchase_schema(), R"({"user_id":1,"quantity":2,"expected_price":100})"),
      .replies = {receipt("The receipt.", samples::purchase())},
      .errors = {invalid_idempotency_key, idempotency_key_reused, user_not_found, product_not_found, insufficient_funds,
                 product_inactive, not_on_sale, price_changed, already_owned, limit_reached, sold_out}};
}

operation use(const document_facts&) {
  return {.id = "useProduct",
          .tag = "Wallet",
          .summary = "Use up a consumable",
          .text = "Takes units out of the user's inventory.",
          .parameters = {key_parameter(false)},
          .body = body_of(use_schema(), R"({"user_id":1})"),
          .replies = {receipt("The receipt.", samples::use())},
          .errors = {invalid_idempotency_key, idempotency_key_reused, user_not_found, product_not_found, not_consumable,
                     not_enough_items}};
}

operation grant(const document_facts&) {
  return {.id = "grant",
          .tag = "Wallet",
          .summary = "Grant or take credits or items",
          .text =
              "For operators: gifts, corrections, compensation. Follows no terms of sale: inactive products may be "
              "granted, stocks and limits are not touched.",
          .parameters = {key_parameter(false)},
          .body = body_of(grant_schema(), R"({"product_id":1,"quantity":3,"reason":"compensation for the outage"})"),
          .replies = {receipt("The receipt.", samples::grant())},
          .errors = {invalid_idempotency_key, idempotency_key_reused, user_not_found, product_not_found,
                     insufficient_funds, not_enough_items, already_owned, limit_reached, balance_limit_exceeded}};
}

operation refund(const document_facts&) {
  return {
      .id = "refundPurchase",
      .tag = "Wallet",
      .summary = "Refund a purchase, or take a deposit back",
      .text =
          "Of a purchase: gives back the price that was paid and takes the units back in the same transaction, each "
          "unit once. What has been used up is refundable only with `force`, and is booked as missing. Of a deposit "
          "(a chargeback): takes all its credits back, once. Where some have been spent it is refused with what was "
          "`requested` and what is `refundable`; with `up_to` it takes what is there and books the rest as `missing`.",
      .parameters = {key_parameter(false)},
      .body = body_of(refund_schema(), R"({"quantity":1,"reason":"bought by accident"})"),
      .replies = {receipt("The receipt.", samples::refund())},
      .errors = {invalid_idempotency_key, idempotency_key_reused, user_not_found, transaction_not_found, not_refundable,
                 already_refunded, balance_limit_exceeded}};
}

operation run_batch(const document_facts& facts) {
  return {.id = "runBatch",
          .tag = "Wallet",
          .summary = "Several operations of one user",
          .text =
              "Decided in order, each like the single request; with `atomic` all of them happen or none. Refusals of "
              "single operations are in the body of a 200. When nothing was decided, for one reason, the request as a "
              "whole is answered with it. All operations are taken from the limits at once, or none; more than a limit "
              "ever allows at once are refused as `validation_failed`, with `exceeds_limit` at `#/operations` and the "
              "`maximum`. The header Idempotency-Key is refused: keys belong to the operations.",
          .body = request_body{"Batch", batch_json_schema(facts.max_deposit),
                               R"({"user_id":1,"atomic":true,"operations":[)"
                               R"({"op":"add_funds","amount":50,"idempotency_key":"order-7-pay"},)"
                               R"({"op":"purchase","product_id":1,"idempotency_key":"order-7-buy"}]})"},
          .replies = {{.text = "What became of each operation.", .shape = "BatchResult"}},
          .errors = {invalid_idempotency_key, user_not_found, transaction_not_found}};
}

operation grant_in_bulk(const document_facts&) {
  return {
      .id = "grantInBulk",
      .tag = "Wallet",
      .summary = "Grant or take credits or items, line by line",
      .text =
          "Newline-delimited JSON in both directions: the schemas describe one line. Each line of the upload, of "
          "at most 16 KiB, is a grant of its own, with a key of its own; blank lines are skipped. The answer has "
          "a line for each, in the same order, and begins when the upload has been read: send everything, then read. "
          "With `answers=streamed` each line is answered as soon as it is decided, and who does not read while "
          "sending is not read from any more. A malformed line is answered with its problem and does not end the "
          "upload. The last line is the summary: without it, or with `complete` false, the answer is torn; send the "
          "upload again, what was granted before is replayed. Answers that the server had no room for are counted as "
          "`omitted`, refusals last; the upload sent again with `answers=failures` shows those. The header "
          "Idempotency-Key is refused.",
      .parameters = {documented(answers_parameter)},
      .body = request_body{"BulkGrantLine", body_of(bulk_line_schema(), {}).schema,
                           R"({"user_id":1,"credits":50,"reason":"season gift","idempotency_key":"season-3-user-1"})",
                           ndjson_type},
      .replies = {{.text = "What became of each line, and the summary.",
                   .shape = "BulkGrantAnswer",
                   .media = ndjson_type}},
      .errors = {invalid_idempotency_key}};
}

}  // namespace coffer::api::operations
