#include "coffer/api/openapi/openapi.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/endpoints/webhooks.hpp"
#include "coffer/api/openapi/document.hpp"
#include "coffer/api/openapi/pages.hpp"
#include "coffer/api/openapi/parts.hpp"
#include "coffer/api/problem_table.hpp"
#include "coffer/api/routes.hpp"
#include "coffer/base/ascii.hpp"

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
    {"Events", "What happened, for those who follow it."},
    {"Keys", "What servers identify themselves with."},
    {"Probes", "For load balancers and operators."},
    {"Products", "The catalogue."},
    {"Users", "Users, what they own and what happened to them."},
    {"Wallet", "What moves credits and items. Every write is one row of the user's journal."},
    {"Webhooks", "Who is told of events, and what was not accepted."},
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

void check(const description& of, std::string_view pattern) {
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

/// An endpoint with what is said of it.
struct described_endpoint {
  endpoint what;
  description about;
};

/// All endpoints, in the order of their paths.
std::vector<described_endpoint> described_endpoints(const document_facts& facts) {
  std::vector<described_endpoint> all;
  make_routes().for_each([&](http::method, std::string_view pattern, const endpoint& what) {
    all.push_back({what, what.describe(facts)});
    check(all.back().about, pattern);
  });
  std::stable_sort(all.begin(), all.end(),
                   [](const described_endpoint& a, const described_endpoint& b) { return a.what.path < b.what.path; });
  return all;
}

void write_paths(json::writer& out, const std::vector<described_endpoint>& all, bool secured,
                 openapi::components& used) {
  out.key("paths");
  out.begin_object();
  std::string_view open;
  for (const auto& [what, about] : all) {
    if (what.path != open) {
      if (!open.empty()) {
        out.end_object();
      }
      open = what.path;
      out.dynamic_key(open);
      out.begin_object();
    }
    out.dynamic_key(ascii::to_lower(to_string(what.verb)));
    openapi::write_endpoint(out, what, about, secured, used);
  }
  out.end_object();
  out.end_object();
}

/// What webhooks are sent: a request for each type of event.
void write_webhooks(json::writer& out) {
  out.key("webhooks");
  out.begin_object();
  const auto write_one = [&out](std::string_view type, std::string_view schema, std::string_view example) {
    out.dynamic_key(type);
    out.begin_object();
    out.key("post");
    out.begin_object();
    std::string id{type};
    const std::size_t dot = id.find('.');
    id[dot + 1] = static_cast<char>(id[dot + 1] - 'a' + 'A');
    member(out, "operationId", id.erase(dot, 1));
    out.key("tags");
    out.raw(R"(["Webhooks"])");
    member(out, "summary", fmt::format("{} happened", type));
    member(
        out, "description",
        "Sent to each webhook that has this type, signed by Standard Webhooks 1.0: `webhook-signature` has, for each "
        "secret in force, `v1,` and the base64 of the HMAC-SHA256 of `webhook-id`, `webhook-timestamp` and the body "
        "with dots between them. It may come again, under the same `webhook-id`.");
    out.key("security");
    out.raw("[]");
    out.key("parameters");
    out.raw(
        R"([{"name":"webhook-id","in":"header","required":true,"description":"The event's id: drop repetitions by it.",)"
        R"("schema":{"type":"string","maxLength":80},"example":"1-7"},)"
        R"({"name":"webhook-timestamp","in":"header","required":true,"description":"Unix time of the attempt, in seconds.",)"
        R"("schema":{"type":"string","maxLength":20,"pattern":"^[0-9]+$"},"example":"1795395643"},)"
        R"({"name":"webhook-signature","in":"header","required":true,"description":"Signatures, separated by spaces.",)"
        R"("schema":{"type":"string","maxLength":100},"example":"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="}])");
    out.key("requestBody");
    out.begin_object();
    out.key("required");
    out.value(true);
    out.key("content");
    out.begin_object();
    out.key("application/json");
    out.begin_object();
    out.key("schema");
    out.raw(schema);
    out.key("example");
    out.raw(example);
    out.end_object();
    out.end_object();
    out.end_object();
    out.key("responses");
    out.raw(R"({"2XX":{"description":"Accepted, when it comes within 15 seconds."},)"
            R"("410":{"description":"The webhook is switched off."},)"
            R"("default":{"description":"Not accepted: it comes again, with growing pauses."}})");
    out.end_object();
    out.end_object();
  };
  const std::string event = fmt::format(R"({{"$ref":"{}"}})", schema_sink::reference("Event"));
  for (std::size_t i = 0; i < domain::event_types.size(); ++i) {
    write_one(domain::event_types.at(i), event, rendered(show(samples::event_of(static_cast<domain::event_type>(i)))));
  }
  write_one("webhook.test",
            R"({"type":"object","properties":{"id":{"type":"string","maxLength":80},"type":{"const":"webhook.test"},)"
            R"("occurred_at":{"type":"string","format":"date-time","maxLength":27},"data":{"type":"object",)"
            R"("additionalProperties":false}},"required":["id","type","occurred_at","data"],)"
            R"("additionalProperties":false})",
            R"({"id":"test-AiYhf2OVNSNrpeaKp3amAE","type":"webhook.test","occurred_at":"2026-11-23T01:00:43.328311Z",)"
            R"("data":{}})");
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
  const std::vector<described_endpoint> endpoints = described_endpoints(facts);
  openapi::components used;
  openapi::add_problems(used.schemas);
  for (const auto& [what, about] : endpoints) {
    if (about.add_shapes != nullptr) {
      about.add_shapes(used.schemas, facts);
    }
  }
  std::string text;
  json::writer out{text};
  out.begin_object();
  member(out, "openapi", "3.1.0");
  write_info(out, facts);
  write_tags(out);
  write_paths(out, endpoints, facts.secured, used);
  write_webhooks(out);
  write_components(out, facts, used);
  out.end_object();
  return text;
}

documents::documents(const document_facts& facts)
    : root{make_document(rendered(index{facts.version}))},
      openapi{make_document(make_openapi(facts))},
      docs{make_document(std::string{pages::docs_html})},
      docs_style{make_document(std::string{pages::docs_css})},
      docs_script{make_document(std::string{pages::docs_js})},
      problems{make_document(pages::problems_json())},
      problems_page{make_document(pages::problems_html())} {}

}  // namespace coffer::api
