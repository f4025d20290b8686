// One operation object.
#include <algorithm>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "coffer/api/bulk_body.hpp"
#include "coffer/api/openapi_parts.hpp"
#include "coffer/api/problem_table.hpp"
#include "coffer/api/vocabulary.hpp"
#include "coffer/auth/principal.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/http/limits.hpp"

namespace coffer::api::openapi {

namespace {

struct path_parameter {
  std::string_view name;
  std::string_view text;
  bool is_text = false;  ///< an integer otherwise
};

constexpr path_parameter path_parameters[] = {
    {"user_id", "Id of a user."},
    {"product_id", "Id of a product."},
    {"key_id", "Id of a server key."},
    {"version", "Place of a transaction in the user's history."},
    {"idempotency_key", "The key of a write, spelt as in the header Idempotency-Key.", true},
    {"problem_code", "The code of a problem, e.g. sold_out.", true},
};

/// The names in braces.
std::vector<std::string_view> names_in(std::string_view pattern) {
  std::vector<std::string_view> names;
  names.reserve(3);
  for (std::size_t open = pattern.find('{'); open != std::string_view::npos; open = pattern.find('{', open + 1)) {
    names.push_back(pattern.substr(open + 1, pattern.find('}', open) - open - 1));
  }
  return names;
}

bool is_query(const parameter& p) { return p.in == parameter::place::query; }

/// The codes of an operation: its own, and those that follow from what it is made of.
std::set<errc> codes_of(http::method verb, std::string_view pattern, const route_facts& route, const operation& what) {
  using enum errc;
  std::set<errc> codes = {malformed_request,          request_timeout,         content_too_large, uri_too_long,
                          expectation_failed,         header_fields_too_large, internal,          overloaded,
                          http_version_not_supported, misdirected_request};
  codes.insert(what.errors.begin(), what.errors.end());
  if (!route.who.is_open) {
    codes.insert({unauthenticated, forbidden, insufficient_scope, rate_limited});
  }
  if (route.waits) {
    codes.insert(unavailable);
    if (verb != http::method::get) {
      codes.insert(outcome_unknown);
    }
  }
  if (what.body) {
    codes.insert(unsupported_media_type);
  }
  if (what.body && what.body->media == http::json_type) {
    codes.insert({malformed_json, validation_failed});
  }
  if (!names_in(pattern).empty()) {
    codes.insert(not_found);
  }
  if (std::any_of(what.parameters.begin(), what.parameters.end(), is_query)) {
    codes.insert(invalid_parameter);
  }
  return codes;
}

void write_parameter(json::writer& out, std::string_view in, const json::member_info& info, std::string_view example) {
  out.begin_object();
  member(out, "name", info.name);
  member(out, "in", in);
  member(out, "required", info.required);
  member(out, "description", info.description);
  out.key("schema");
  json::member_info schema = info;
  schema.description = {};
  json::write_schema(out, schema);
  if (!example.empty()) {
    out.key("example");
    out.raw(example);
  }
  out.end_object();
}

void write_parameters(json::writer& out, std::string_view pattern, const operation& what) {
  out.key("parameters");
  out.begin_array();
  for (const std::string_view name : names_in(pattern)) {
    const auto* known = std::find_if(std::begin(path_parameters), std::end(path_parameters),
                                     [name](const path_parameter& p) { return p.name == name; });
    if (known == std::end(path_parameters)) {
      throw std::logic_error("openapi_operation.cpp does not describe the path parameter " + std::string{name});
    }
    json::member_info info;
    info.name = name;
    info.type = known->is_text ? "string" : "integer";
    info.required = true;
    info.description = known->text;
    info.minimum = 1;
    info.maximum = known->is_text ? 2 * longest_key + 2 : max_json_integer;
    write_parameter(out, "path", info, known->is_text ? R"("order-1001")" : "1");
  }
  for (const parameter& p : what.parameters) {
    write_parameter(out, is_query(p) ? "query" : "header", p.info, p.example);
  }
  refer(out, "parameters", "RequestId");
  refer(out, "parameters", "TraceParent");
  out.end_array();
}

/// A body of lines that are JSON each is one text to OpenAPI 3.1, and so to the clients that are made from it.
void write_lines(json::writer& out, std::string_view shape, std::string_view example) {
  out.key("schema");
  out.begin_object();
  member(out, "type", "string");
  member(out, "description", fmt::format("Lines, each a {} as JSON and a line feed.", shape));
  member(out, "maxLength", static_cast<std::int64_t>(http::limits{}.streamed_body));
  member(out, "contentMediaType", ndjson_type);
  out.key("contentSchema");
  refer(out, "schemas", shape);
  out.end_object();
  out.key("example");
  out.value(std::string{example} + "\n");
}

void write_body(json::writer& out, const request_body& body, shapes& schemas) {
  schemas.add(body.name, body.schema, {});
  const bool lines = body.media == ndjson_type;
  out.key("requestBody");
  out.begin_object();
  member(out, "required", true);
  out.key("content");
  out.begin_object();
  out.dynamic_key(body.media);
  out.begin_object();
  if (lines) {
    write_lines(out, body.name, body.example);
  } else {
    out.key("schema");
    refer(out, "schemas", body.name);
    out.key("example");
    out.raw(body.example);
  }
  out.end_object();
  out.end_object();
  out.end_object();
}

void write_reply_content(json::writer& out, const reply& a, const shapes& schemas) {
  if (a.media.empty()) {
    return;
  }
  out.dynamic_key(a.media);
  out.begin_object();
  if (a.shape.empty()) {
    out.key("schema");
    // A file of this program, or a statement, which is as long as it is.
    out.raw(a.media == "text/csv" ? R"({"type":"string"})" : R"({"type":"string","maxLength":1048576})");
    out.end_object();
    return;
  }
  const shapes::entry* shape = schemas.find(a.shape);
  if (shape == nullptr) {
    throw std::logic_error("a description names the unknown shape " + std::string{a.shape});
  }
  const std::string_view example = a.example.empty() ? shape->example : a.example;
  if (a.media == ndjson_type) {
    write_lines(out, a.shape, example);
  } else {
    out.key("schema");
    refer(out, "schemas", a.shape);
    out.key("example");
    out.raw(example);
  }
  out.end_object();
}

/// All that one status can be.
struct outcome {
  std::vector<const reply*> replies;
  std::set<errc> codes;
};

std::string text_of(const outcome& o) {
  std::string text;
  for (const reply* a : o.replies) {
    if (text.find(a->text) == std::string::npos) {
      text.append(text.empty() ? "" : " ").append(a->text);
    }
  }
  for (const errc code : o.codes) {
    text.append(text.empty() ? "" : " ").append(kind_of(code).detail);
  }
  return text;
}

/// What all answers of an operation may have in common.
struct traits {
  bool keyed = false;    ///< takes an Idempotency-Key
  bool limited = false;  ///< says what is left of its limits
  bool patches = false;  ///< is a PATCH
};

void write_response(json::writer& out, int status, const outcome& o, const traits& all, components& used) {
  const bool replayed = all.keyed && (status == 402 || status == 409);
  const bool patch = all.patches && status == 415;
  if (o.replies.empty() && o.codes.size() == 1 && !replayed && !patch && !all.limited) {
    used.responses.insert(*o.codes.begin());
    refer(out, "responses", component_name(*o.codes.begin()));
    return;
  }
  std::set<std::string_view> headers = headers_of_status(status);
  for (const reply* a : o.replies) {
    headers.insert(a->headers.begin(), a->headers.end());
  }
  if (replayed) {
    headers.insert("Idempotent-Replayed");
  }
  if (patch) {
    headers.insert("Accept-Patch");
  }
  if (all.limited) {
    headers.insert({"RateLimit", "RateLimit-Policy"});
  }
  out.begin_object();
  member(out, "description", text_of(o));
  write_headers(out, headers);
  if (!o.codes.empty() || !o.replies.front()->media.empty()) {
    out.key("content");
    out.begin_object();
    for (const reply* a : o.replies) {
      write_reply_content(out, *a, used.schemas);
    }
    if (!o.codes.empty()) {
      write_problem_content(out, o.codes, used);
    }
    out.end_object();
  }
  out.end_object();
}

/// Whether a player's token is of use for a route: for what is about its user, and for the catalogue.
bool is_for_players(const access& who) {
  return !who.scope || (auth::player_scopes.contains(*who.scope) && who.subject != subject_place::none) ||
         *who.scope == auth::scope::catalog_read;
}

/// What server keys need, in words: the standard has scopes for OAuth alone.
std::string scope_text(const access& who) {
  if (who.is_open) {
    return {};
  }
  if (!who.scope) {
    return " Server keys need the scope of each operation.";
  }
  const std::string other =
      who.other_scope ? fmt::format(" or `{}`", auth::to_string(*who.other_scope)) : std::string{};
  return fmt::format(" Server keys need the scope `{}`{}.", auth::to_string(*who.scope), other);
}

void write_security(json::writer& out, const route_facts& route) {
  const access& who = route.who;
  out.key("security");
  out.begin_array();
  if (!who.is_open && route.secured) {
    out.begin_object();
    out.key("serverKey");
    out.begin_array();
    out.end_array();
    out.end_object();
    if (is_for_players(who)) {
      out.raw(R"({"playerToken":[]})");
    }
  }
  out.end_array();
}

}  // namespace

void write_operation(json::writer& out, http::method verb, std::string_view pattern, const route_facts& route,
                     const operation& what, components& used) {
  out.begin_object();
  member(out, "operationId", what.id);
  out.key("tags");
  out.begin_array();
  out.value(what.tag);
  out.end_array();
  member(out, "summary", what.summary);
  member(out, "description", fmt::format("{}{}", what.text, route.secured ? scope_text(route.who) : ""));
  write_security(out, route);
  write_parameters(out, pattern, what);
  if (what.body) {
    write_body(out, *what.body, used.schemas);
  }
  std::map<int, outcome> outcomes;
  for (const reply& r : what.replies) {
    outcomes[r.status].replies.push_back(&r);
  }
  for (const errc code : codes_of(verb, pattern, route, what)) {
    outcomes[kind_of(code).status].codes.insert(code);
  }
  traits all;
  all.limited = !route.who.is_open && (!route.who.scope || route.who.counts_as != limit::route_class::none);
  all.patches = verb == http::method::patch;
  all.keyed = std::any_of(what.parameters.begin(), what.parameters.end(),
                          [](const parameter& p) { return p.info.name == "Idempotency-Key"; });
  out.key("responses");
  out.begin_object();
  for (const auto& [status, o] : outcomes) {
    out.dynamic_key(std::to_string(status));
    write_response(out, status, o, all, used);
  }
  out.end_object();
  out.end_object();
}

void write_security_schemes(json::writer& out) {
  out.key("securitySchemes");
  out.raw(
      R"({"serverKey":{"type":"http","scheme":"bearer","description":"A server key, cof_live_... or cof_test_...; each )"
      R"(operation says which scope it needs. admin has them all, admin:read all those to read."},)"
      R"("playerToken":{"type":"http","scheme":"bearer","bearerFormat":"JWT","description":"A token that the app's )"
      R"(backend signs for one player: sub is the user's id, and only that user can be touched."}})");
}

void write_parameter_components(json::writer& out) {
  out.key("parameters");
  out.begin_object();
  out.key("RequestId");
  json::member_info info;
  info.name = "X-Request-Id";
  info.type = "string";
  info.description = "The client's own name for the request. One that is not acceptable is replaced.";
  info.maximum = longest_header;
  write_parameter(out, "header", info, R"("checkout-5f2c")");
  out.key("TraceParent");
  info.name = "traceparent";
  info.description = "The trace that the request belongs to (W3C Trace Context); it is logged and continued.";
  write_parameter(out, "header", info, R"("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01")");
  out.end_object();
}

}  // namespace coffer::api::openapi
