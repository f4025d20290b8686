// The headers of answers.
#include <stdexcept>

#include "coffer/api/openapi_parts.hpp"

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

}  // namespace coffer::api::openapi
