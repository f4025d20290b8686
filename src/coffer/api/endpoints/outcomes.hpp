// GET /users/{user_id}/operations/{idempotency_key}: what became of a write whose answer was lost.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/openapi/samples.hpp"
#include "coffer/api/outcome.hpp"
#include "coffer/http/query_string.hpp"

namespace coffer::api {

/// What became of a write.
struct write_outcome {
  shown_outcome what;
};

template <typename Sink>
void members_of(Sink& out, const write_outcome& of) {
  out.called("Outcome", outcome_text);
  outcome_members(out, of.what, "Of the request's own answer.");
  out.one_of({{"receipt"}, {"problem"}});
}

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
  co_return ok(write_outcome{{known, c.request.request_id, audience_of(c.by.who)}});
}

inline void add_outcome_shape(shapes& all, const document_facts&) {
  const domain::verdict bought = domain::decision{.row = samples::purchase(), .replayed = true};
  all.add(write_outcome{{bought, samples::request_id, audience::operators}});
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
