// Steps that handlers share: reading a body, answering with a resource, a refusal or a receipt.
#pragma once

#include <string>

#include "coffer/api/actor.hpp"
#include "coffer/api/context.hpp"
#include "coffer/api/problem.hpp"
#include "coffer/api/render.hpp"

namespace coffer::api {

/// Refusal: unsupported_media_type, when the request has a body and does not say that it is plain JSON.
result<void> require_json(const http::request& r);

/// Refusal: unsupported_media_type, when the request does not say that its body is plain NDJSON.
result<void> require_ndjson(const http::request& r);

/// The body, parsed and checked. Refusals: unsupported_media_type, malformed_json, validation_failed.
template <typename Body>
result<Body> read_body(const json::object<Body>& schema, http::request& r) {
  if (result<void> type = require_json(r); !type) {
    return std::unexpected(std::move(type).error());
  }
  return schema.read(r.body);
}

/// The request's identity for the journal; `make_print` is called only when there is a key.
template <typename MakePrint>
service::request_identity identify(const call& c, std::string key, MakePrint make_print) {
  service::request_identity who;
  who.request_id = c.request.request_id;
  who.by = actor_of(c.by.who);
  if (!key.empty()) {
    who.print = make_print();
    who.idempotency_key = std::move(key);
  }
  return who;
}

/// The refusal as this request's answer.
inline http::response refuse(const error& why, const http::request& r) { return problem(why, r.request_id); }

/// 200 with a resource.
template <typename Resource>
http::response ok(const Resource& resource) {
  return {200, http::json_type, render_body(resource)};
}

/// 201 with a resource and where it is.
template <typename Resource>
http::response created(const Resource& resource, std::string location) {
  http::response answer{201, http::json_type, render_body(resource)};
  answer.add("Location", std::move(location));
  return answer;
}

/// What a GET or HEAD gets of a representation with this tag, which is added: `whole`, 304 when the client has it, or
/// the refusal precondition_failed when If-Match does not name it.
http::response conditional(http::response whole, std::string etag, const http::request& r);

/// What became of a command: a receipt, the refusal that its journal row stands for, or the refusal without a row. A
/// replay is byte for byte the first answer's body.
http::response answer_verdict(const domain::verdict& v, const call& from);

}  // namespace coffer::api
