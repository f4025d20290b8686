// What documents say of one endpoint, and the headers of answers.
#include <algorithm>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "coffer/api/openapi/parts.hpp"
#include "coffer/api/problem_table.hpp"
#include "coffer/api/vocabulary.hpp"
#include "coffer/auth/principal.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/http/limits.hpp"

namespace coffer::api::openapi {

namespace {

struct header {
  std::string_view name;
  bool always;  ///< wherever it is listed
  std::string_view text;
  std::string_view schema;
  std::string_view example;
};

constexpr header table[] = {
    {"X-Request-Id", true, "Names this request in the server's log: the client's own, or a new one.",
     R"({"type":"string","maxLength":64,"pattern":"^[!-~]+$"})", R"("_gkWSeLU6OFB4fA-g7R0iF")"},
    {"traceparent", false, "In answer to one (W3C Trace Context): the same trace, the server's part of it.",
     R"({"type":"string","maxLength":55})", R"("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")"},
    {"X-Content-Type-Options", true, "Always nosniff.", R"({"type":"string","const":"nosniff"})", R"("nosniff")"},
    {"Cache-Control", true, "no-store unless the answer may be kept.", R"({"type":"string","maxLength":100})",
     R"("no-store")"},
    {"Location", true, "Path of what was made, or of where to look.",
     R"({"type":"string","maxLength":100,"pattern":"^/"})", R"("/users/1/transactions/2")"},
    {"Idempotent-Replayed", false, "Present when the answer is that of an earlier request with this key.",
     R"({"type":"string","const":"true"})", R"("true")"},
    {"ETag", true, "Entity tag for If-None-Match and If-Match.",
     R"({"type":"string","maxLength":40,"pattern":"^\"[!-~]+\"$"})", R"("\"7\"")"},
    {"Cache-Status", true, "Whether it came from the cache (RFC 9211).",
     R"({"type":"string","maxLength":100,"pattern":"^coffer; "})", R"("coffer; hit")"},
    {"Vary", true, "The request headers that the answer depends on.",
     R"({"type":"string","enum":["Accept","Accept-Encoding","Accept, Accept-Encoding"]})", R"("Accept-Encoding")"},
    {"Content-Encoding", false, "Present when the body is compressed, as Accept-Encoding asked for.",
     R"({"type":"string","const":"gzip"})", R"("gzip")"},
    {"Accept", true, "The media type that a body must have.",
     R"({"type":"string","enum":["application/json","application/x-ndjson"]})", R"("application/json")"},
    {"Accept-Encoding", true, "A body must not be encoded.", R"({"type":"string","const":"identity"})",
     R"("identity")"},
    {"Accept-Patch", false, "The same for PATCH (RFC 5789).", R"({"type":"string","const":"application/json"})",
     R"("application/json")"},
    {"Content-Security-Policy", false, "What the page may load and do.", R"({"type":"string","maxLength":1000})",
     R"("default-src 'none'; style-src 'self'")"},
    {"Content-Disposition", false, "A name to save a CSV file under.", R"({"type":"string","maxLength":100})",
     R"("attachment; filename=\"statement-1.csv\"")"},
    {"X-Next-Cursor", false, "next_cursor of a CSV file that a limit cut off.", R"({"type":"string","maxLength":64})",
     R"("2-6f2b0c9d4e1a")"},
    {"WWW-Authenticate", false, "What is wrong with the credentials (RFC 6750).",
     R"({"type":"string","maxLength":200,"pattern":"^Bearer "})", R"("Bearer realm=\"coffer\"")"},
    {"RateLimit-Policy", false, "The limits on requests like this one (draft-ietf-httpapi-ratelimit-headers).",
     R"({"type":"string","maxLength":1000})", R"("\"purchase-user\";q=10;w=1")"},
    {"RateLimit", false, "What is left of the limit that is nearest.", R"({"type":"string","maxLength":200})",
     R"("\"purchase-user\";r=9;t=1")"},
    {"Retry-After", true, "Seconds to wait.", R"({"type":"integer","minimum":1})", "1"},
};

}  // namespace

std::set<std::string_view> headers_of_status(int status) {
  switch (status) {
    case 401:
    case 403:
      return {"WWW-Authenticate"};
    case 415:
      return {"Accept", "Accept-Encoding"};
    case 429:
      return {"Retry-After", "RateLimit", "RateLimit-Policy"};
    case 503:
      return {"Retry-After"};
    default:
      return {};
  }
}

void write_headers(json::writer& out, const std::set<std::string_view>& names) {
  std::set<std::string_view> left = names;
  left.insert({"X-Request-Id", "traceparent", "X-Content-Type-Options", "Cache-Control"});
  out.key("headers");
  out.begin_object();
  for (const header& h : table) {
    if (left.erase(h.name) != 0) {
      out.dynamic_key(h.name);
      refer(out, "headers", h.name);
    }
  }
  out.end_object();
  if (!left.empty()) {
    throw std::logic_error("a description names the unknown header " + std::string{*left.begin()});
  }
}

void write_header_components(json::writer& out) {
  out.key("headers");
  out.begin_object();
  for (const header& h : table) {
    out.dynamic_key(h.name);
    out.begin_object();
    member(out, "description", h.text);
    member(out, "required", h.always);
    out.key("schema");
    out.raw(h.schema);
    out.key("example");
    out.raw(h.example);
    out.end_object();
  }
  out.end_object();
}

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
    {"webhook_id", "Id of a webhook."},
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

/// The codes of an endpoint: its own, and those that follow from what it is made of.
std::set<errc> codes_of(const endpoint& what, const description& about) {
  using enum errc;
  std::set<errc> codes = {malformed_request,          request_timeout,         content_too_large, uri_too_long,
                          expectation_failed,         header_fields_too_large, internal,          overloaded,
                          http_version_not_supported, misdirected_request};
  codes.insert(about.errors.begin(), about.errors.end());
  if (!what.who.is_open) {
    codes.insert({unauthenticated, forbidden, insufficient_scope, rate_limited});
  }
  if (what.waits()) {
    codes.insert(unavailable);
    if (what.verb != http::method::get) {
      codes.insert(outcome_unknown);
    }
  }
  if (what.body != body_kind::none) {
    codes.insert(unsupported_media_type);
  }
  if (what.body == body_kind::json) {
    codes.insert({malformed_json, validation_failed});
  }
  if (!names_in(what.path).empty()) {
    codes.insert(not_found);
  }
  codes.insert(invalid_parameter);  // a query that is not known, if nothing else
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

void write_parameters(json::writer& out, const endpoint& what, const description& about) {
  out.key("parameters");
  out.begin_array();
  for (const std::string_view name : names_in(what.path)) {
    const auto* known = std::find_if(std::begin(path_parameters), std::end(path_parameters),
                                     [name](const path_parameter& p) { return p.name == name; });
    if (known == std::end(path_parameters)) {
      throw std::logic_error("paths.cpp does not describe the path parameter " + std::string{name});
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
  for (const query_parameter& p : what.query) {
    write_parameter(out, "query", documented(p), {});
  }
  for (const header_parameter& p : about.headers) {
    write_parameter(out, "header", p.info, p.example);
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
struct status_replies {
  std::vector<const reply*> replies;
  std::set<errc> codes;
};

std::string text_of(const status_replies& o) {
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

/// What all answers of an endpoint may have in common.
struct traits {
  bool keyed = false;    ///< takes an Idempotency-Key
  bool limited = false;  ///< says what is left of its limits
  bool patches = false;  ///< is a PATCH
};

void write_response(json::writer& out, int status, const status_replies& o, const traits& all, components& used) {
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

void write_security(json::writer& out, const access& who, bool secured) {
  out.key("security");
  out.begin_array();
  if (!who.is_open && secured) {
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

void write_endpoint(json::writer& out, const endpoint& what, const description& about, bool secured, components& used) {
  out.begin_object();
  member(out, "operationId", about.id);
  out.key("tags");
  out.begin_array();
  out.value(about.tag);
  out.end_array();
  member(out, "summary", about.summary);
  member(out, "description", fmt::format("{}{}", about.text, secured ? scope_text(what.who) : ""));
  write_security(out, what.who, secured);
  write_parameters(out, what, about);
  if (about.body) {
    write_body(out, *about.body, used.schemas);
  }
  std::map<int, status_replies> by_status;
  for (const reply& r : about.replies) {
    by_status[r.status].replies.push_back(&r);
  }
  for (const errc code : codes_of(what, about)) {
    by_status[kind_of(code).status].codes.insert(code);
  }
  traits all;
  all.limited = !what.who.is_open && (!what.who.scope || what.who.counts_as != limit::route_class::none);
  all.patches = what.verb == http::method::patch;
  all.keyed = std::any_of(about.headers.begin(), about.headers.end(),
                          [](const header_parameter& p) { return p.info.name == "Idempotency-Key"; });
  out.key("responses");
  out.begin_object();
  for (const auto& [status, o] : by_status) {
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
