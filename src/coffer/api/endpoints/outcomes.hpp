// GET /users/{user_id}/operations/{idempotency_key}: what became of a write whose answer was lost.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/openapi/samples.hpp"
#include "coffer/api/outcome.hpp"
#include "coffer/http/query_string.hpp"

namespace coffer::api {

inline net::task<http::response> get_outcome(context& with, call c) {
  const auto decoded = http::percent_decode(c.params.text(), false);
  result<std::string> key = parse_idempotency_key(decoded.value_or(""));
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  auto found =
      co_await with.outcomes.find(user_id{c.params[0]}, c.by.who.only.has_value(), *std::move(key), c.request.deadline);
  if (!found) {
    co_return refuse(found.error(), c.request);
  }
  const domain::verdict known = domain::decision{.row = *std::move(found), .replayed = true};
  std::string body;
  json::writer out{body};
  out.begin_object();
  render_outcome(out, known, c.request.request_id, audience_of(c.by.who));
  out.end_object();
  co_return http::response{200, http::json_type, std::move(body)};
}

inline void add_outcome_shape(shapes& all, const document_facts&) {
  std::string example = R"({"status":201,"receipt":)";
  example += render_receipt({samples::purchase(), audience::operators});
  example += '}';
  all.add(
      "Outcome",
      R"({"type":"object","description":"Either a receipt, or a problem and the row that recorded it.","properties":{)"
      R"("status":{"type":"integer","minimum":200,"maximum":599,"description":"Of the request's own answer."},)"
      R"("receipt":{"$ref":"#/components/schemas/Receipt"},"problem":{"$ref":"#/components/schemas/Problem"},)"
      R"("transaction":{"$ref":"#/components/schemas/Transaction"}},"required":["status"],)"
      R"("oneOf":[{"required":["receipt"]},{"required":["problem"]}],"additionalProperties":false})",
      std::move(example));
}

inline description describe_get_outcome(const document_facts&) {
  using enum errc;
  return {
      .id = "getOperation",
      .tag = "Users",
      .summary = "What became of a key",
      .text =
          "After a timeout: the answer that the request with this key was given, or would be on a retry. 404 "
          "transaction_not_found: nothing has been decided under the key so far; sending the request again with "
          "the same key settles it. A player's token asks about keys that the player sent, any other credentials about "
          "those that servers sent.",
      .replies = {{.text = "The outcome.", .shape = "Outcome"}},
      .errors = {invalid_idempotency_key, user_not_found, transaction_not_found, idempotency_in_progress},
      .add_shapes = add_outcome_shape};
}

inline constexpr endpoint outcome_endpoint{.verb = http::method::get,
                                           .path = "/users/{user_id}/operations/{idempotency_key}",
                                           .serve = get_outcome,
                                           .describe = describe_get_outcome,
                                           .who = access::needs(auth::scope::inventory_read, subject_place::path)};

}  // namespace coffer::api
