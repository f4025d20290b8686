#include "coffer/api/openapi.hpp"

#include <algorithm>
#include <stdexcept>
#include <variant>

#include "coffer/api/bulk_body.hpp"
#include "coffer/api/document.hpp"
#include "coffer/api/key_body.hpp"
#include "coffer/api/openapi_parts.hpp"
#include "coffer/api/outcome.hpp"
#include "coffer/api/pages.hpp"
#include "coffer/api/render.hpp"
#include "coffer/api/routes.hpp"
#include "coffer/api/statement_body.hpp"

namespace coffer::api {

namespace {

using openapi::member;

struct tag {
  std::string_view name;
  std::string_view text;
};

constexpr tag tags[] = {
    {"Analytics", "What sells."},
    {"Documents", "What describes this API."},
    {"Keys", "What servers identify themselves with."},
    {"Probes", "For load balancers and operators."},
    {"Products", "The catalogue."},
    {"Users", "Users, what they own and what happened to them."},
    {"Wallet", "What moves credits and items. Every write is one row of the user's journal."},
};

constexpr std::string_view introduction =
    "Wallets, products, purchases and inventories of a virtual economy.\n\n"
    "- Ids and amounts are JSON integers up to 2^53-1; amounts are whole credits. Times are RFC 3339, UTC, with "
    "microseconds.\n"
    "- Every path also exists below `/v1`. HEAD works wherever GET does.\n"
    "- Unknown members of a body are errors. What is wrong with a request is told all at once.\n"
    "- Errors are problem documents (RFC 9457) with a stable `code`; [/problems](/problems) explains each. Besides the "
    "answers listed here, a path that does not exist is 404 `not_found`, a method that a path does not have is 405 "
    "`method_not_allowed` with `Allow`, and a method or transfer coding that nobody knows is 501 `not_implemented`. "
    "`OPTIONS *` is 204 with the methods in `Allow`.\n"
    "- What comes with an `ETag` honours `If-None-Match` and `If-Match`. Several lines of such a field are one list.\n"
    "- Send an `Idempotency-Key` with every write. After a timeout, a reset or 503 `outcome_unknown`, send the same "
    "request with the same key: the answer is the truth.\n"
    "- Send `Authorization: Bearer` with a server key, or with a player's token where that is listed. A server that "
    "runs "
    "without authentication asks for none. Where requests are limited, `RateLimit` and `RateLimit-Policy` say how much "
    "is left.";

constexpr std::string_view problem_kind_schema =
    R"({"type":"object","properties":{"code":{"type":"string","maxLength":64},"status":{"type":"integer","minimum":400,"maximum":599},)"
    R"("title":{"type":"string","maxLength":100},"detail":{"type":"string","maxLength":2000,"description":"What happened."},)"
    R"("cause":{"type":"string","maxLength":2000,"description":"When it happens and what to do about it."},)"
    R"("retry":{"type":"string","enum":["corrected","changed","later","same_key"],)"
    R"("description":"What a request must be to succeed when it is sent again."},)"
    R"("advice":{"type":"string","maxLength":2000,"description":"The same for a person."},)"
    R"("members":{"type":"array","description":"What problems of this code carry besides.","items":{"type":"object",)"
    R"("properties":{"name":{"type":"string","maxLength":64},"description":{"type":"string","maxLength":2000}},"required":["name","description"],)"
    R"("additionalProperties":false}},"example":{"$ref":"#/components/schemas/Problem"}},)"
    R"("required":["code","status","title","detail","cause","retry","advice","members","example"],)"
    R"("additionalProperties":false})";

/// Lower case, as OpenAPI names methods.
std::string lower(std::string_view text) {
  std::string made{text};
  std::transform(made.begin(), made.end(), made.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return made;
}

void check(const operation& of, std::string_view pattern) {
  const bool known = std::any_of(std::begin(tags), std::end(tags), [&of](const tag& t) { return t.name == of.tag; });
  if (!known || of.id.empty() || of.summary.empty() || of.text.empty() || of.replies.empty()) {
    throw std::logic_error("the description of " + std::string{pattern} + " is incomplete or has an unknown tag");
  }
}

void write_info(json::writer& out, const document_facts& facts) {
  out.key("info");
  out.begin_object();
  member(out, "title", "coffer");
  member(out, "version", facts.version);
  member(out, "summary", "A server for virtual economies");
  member(out, "description", introduction);
  out.key("contact");
  out.raw(R"({"name":"The operator of this server"})");
  out.key("license");
  out.raw(R"({"name":"MIT","identifier":"MIT"})");
  out.end_object();
  out.key("servers");
  out.raw(R"([{"url":"/","description":"This server."},{"url":"/v1","description":"The same, under its version."}])");
}

void write_tags(json::writer& out) {
  out.key("tags");
  out.begin_array();
  for (const tag& t : tags) {
    out.begin_object();
    member(out, "name", t.name);
    member(out, "description", t.text);
    out.end_object();
  }
  out.end_array();
}

void write_paths(json::writer& out, const document_facts& facts, openapi::components& used) {
  struct line {
    http::method verb;
    std::string_view pattern;
    const endpoint* leads_to;
  };
  const http::router<endpoint> routes = make_routes();
  std::vector<line> lines;
  routes.for_each([&lines](http::method verb, std::string_view pattern, const endpoint& leads_to) {
    lines.push_back({verb, pattern, &leads_to});
  });
  std::stable_sort(lines.begin(), lines.end(), [](const line& a, const line& b) { return a.pattern < b.pattern; });
  out.key("paths");
  out.begin_object();
  std::string_view open;
  for (const line& l : lines) {
    if (l.pattern != open) {
      if (!open.empty()) {
        out.end_object();
      }
      open = l.pattern;
      out.dynamic_key(open);
      out.begin_object();
    }
    const operation what = l.leads_to->describe(facts);
    check(what, l.pattern);
    out.dynamic_key(lower(to_string(l.verb)));
    openapi::write_operation(out, l.verb, l.pattern, {l.leads_to->waits(), facts.secured, l.leads_to->who}, what, used);
  }
  out.end_object();
  out.end_object();
}

void write_components(json::writer& out, const document_facts& facts, openapi::components& used) {
  out.key("components");
  out.begin_object();
  out.key("schemas");
  out.begin_object();
  for (const auto& [name, entry] : used.schemas.all()) {
    out.dynamic_key(name);
    out.raw(entry.schema);
  }
  out.end_object();
  openapi::write_parameter_components(out);
  openapi::write_header_components(out);
  openapi::write_problem_responses(out, used);
  openapi::write_problem_examples(out, used);
  if (facts.secured) {
    openapi::write_security_schemes(out);
  }
  out.end_object();
}

}  // namespace

std::string make_openapi(const document_facts& facts) {
  openapi::components used;
  add_shapes(used.schemas);
  add_outcome_shape(used.schemas);
  add_statement_shape(used.schemas);
  add_batch_shape(used.schemas);
  add_bulk_shape(used.schemas);
  add_key_shapes(used.schemas);
  openapi::add_problems(used.schemas);
  used.schemas.add("Alive",
                   R"({"type":"object","properties":{"status":{"type":"string","const":"alive"}},)"
                   R"("required":["status"],"additionalProperties":false})",
                   R"({"status":"alive"})");
  used.schemas.add("Index",
                   R"({"type":"object","properties":{"name":{"type":"string","const":"coffer"},)"
                   R"("version":{"type":"string","maxLength":64},"docs":{"type":"string","const":"/docs"},)"
                   R"("openapi":{"type":"string","const":"/openapi.json"},)"
                   R"("problems":{"type":"string","const":"/problems"},"health":{"type":"string","const":"/healthz"}},)"
                   R"("required":["name","version","docs","openapi","problems","health"],)"
                   R"("additionalProperties":false})",
                   make_index(facts.version));
  used.schemas.add("ProblemKind", std::string{problem_kind_schema}, pages::problem_json(errc::sold_out));
  used.schemas.add(
      "ProblemKinds",
      R"({"type":"object","properties":{"items":{"type":"array","items":)"
      R"({"$ref":"#/components/schemas/ProblemKind"}}},"required":["items"],"additionalProperties":false})",
      "{\"items\":[" + pages::problem_json(errc::sold_out) + "]}");
  used.schemas.add("OpenApiDocument",
                   R"({"type":"object","description":"See spec.openapis.org.",)"
                   R"("properties":{"openapi":{"type":"string","maxLength":20}},"required":["openapi"]})",
                   R"({"openapi":"3.1.0"})");
  std::string text;
  json::writer out{text};
  out.begin_object();
  member(out, "openapi", "3.1.0");
  write_info(out, facts);
  write_tags(out);
  write_paths(out, facts, used);
  write_components(out, facts, used);
  out.end_object();
  return text;
}

}  // namespace coffer::api
