// Steps that handlers share: reading a body, answering with a resource, a refusal or a receipt.
#pragma once

#include <string>
#include <utility>

#include <fmt/format.h>

#include "coffer/api/command.hpp"
#include "coffer/api/context.hpp"
#include "coffer/api/endpoint.hpp"
#include "coffer/api/etag.hpp"
#include "coffer/api/idempotency.hpp"
#include "coffer/api/problem.hpp"
#include "coffer/api/render.hpp"
#include "coffer/json/schema.hpp"

namespace coffer::api {

/// What a write says: its body, and its idempotency key, empty when it has none.
template <typename Body>
struct keyed_body {
  std::string key;
  Body body;
};

/// Reads both. Refusals: invalid_idempotency_key, malformed_json, validation_failed.
template <typename Body>
result<keyed_body<Body>> read_write(const json::object<Body>& schema, http::request& r) {
  result<std::string> key = idempotency_key(r);
  if (!key) {
    return std::unexpected(std::move(key).error());
  }
  result<Body> body = schema.read(r.body);
  if (!body) {
    return std::unexpected(std::move(body).error());
  }
  return keyed_body<Body>{*std::move(key), *std::move(body)};
}

/// A description that depends on the most that a deposit may be: made once per thread. Valid until it is asked for with
/// another limit.
template <typename Body>
const json::object<Body>& made_once(json::object<Body> (*make)(std::int64_t max_deposit), std::int64_t max_deposit) {
  thread_local std::pair<std::int64_t, json::object<Body>> made{max_deposit, make(max_deposit)};
  if (made.first != max_deposit) {
    made = {max_deposit, make(max_deposit)};
  }
  return made.second;
}

/// The refusal as this request's answer.
inline http::response refuse(const error& why, const http::request& r) { return problem(why, r.request_id); }

/// 200 with a resource.
template <typename Resource>
http::response ok(const Resource& resource) {
  return {200, http::json_type, rendered(resource)};
}

/// 201 with a resource and where it is.
template <typename Resource>
http::response created(const Resource& resource, std::string location) {
  http::response answer{201, http::json_type, rendered(resource)};
  answer.add("Location", std::move(location));
  return answer;
}

/// What became of a command: a receipt, the refusal that its journal row stands for, or the refusal without a row. A
/// replay is byte for byte the first answer's body.
inline http::response answer_verdict(const domain::verdict& v, const call& from) {
  if (!v) {
    return refuse(v.error(), from.request);
  }
  const domain::transaction& row = v->row;
  http::response answer;
  if (const std::optional<error> why = domain::refusal_of(row)) {
    answer = problem(*why, row.request_id);
  } else {
    answer = http::response{201, http::json_type, render_receipt({row, audience_of(from.by.who)})};
    answer.add("Location", fmt::format("/users/{}/transactions/{}", row.user.value, row.at.value));
  }
  if (v->replayed) {
    answer.add("Idempotent-Replayed", "true");
  }
  return answer;
}

/// The receipt of a write, for documents.
inline reply receipt_reply(const domain::transaction& sample) {
  return {.status = 201,
          .text = "The receipt.",
          .shape = "Receipt",
          .headers = {"Location", "Idempotent-Replayed"},
          .example = render_receipt({sample, audience::operators})};
}

}  // namespace coffer::api
