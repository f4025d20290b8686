// The problem documents.
#include "coffer/api/openapi/parts.hpp"
#include "coffer/api/openapi/samples.hpp"
#include "coffer/api/problem.hpp"
#include "coffer/base/clock.hpp"

namespace coffer::api::openapi {

namespace {

void constant(json::writer& out, std::string_view name, std::string_view text) {
  out.dynamic_key(name);
  out.begin_object();
  member(out, "type", "string");
  member(out, "const", text);
  out.end_object();
}

std::string schema_of(errc code) {
  const problem_kind& kind = kind_of(code);
  std::vector<std::string_view> required = {"type", "title", "status", "detail", "code", "request_id"};
  std::string text;
  json::writer out{text};
  out.begin_object();
  member(out, "type", "object");
  member(out, "title", kind.title);
  member(out, "description", kind.cause);
  out.key("properties");
  out.begin_object();
  constant(out, "type", "/problems/" + std::string{to_string(code)});
  constant(out, "title", kind.title);
  out.key("status");
  out.begin_object();
  member(out, "type", "integer");
  member(out, "const", kind.status);
  out.end_object();
  out.key("detail");
  out.raw(R"({"type":"string","maxLength":2000,"description":"What happened, for a person."})");
  constant(out, "code", to_string(code));
  out.key("request_id");
  out.raw(R"({"type":"string","maxLength":64,"description":"X-Request-Id of the request that was decided."})");
  for (const problem_number& n : kind.numbers) {
    if (!n.name.empty()) {
      required.push_back(n.name);
      out.dynamic_key(n.name);
      out.begin_object();
      if (n.is_time) {
        out.key("type");
        out.raw(R"(["string","null"])");
      } else {
        member(out, "type", "integer");
      }
      member(out, "format", n.is_time ? "date-time" : "int64");
      if (n.is_time) {
        member(out, "maxLength", static_cast<std::int64_t>(written_time));
      }
      member(out, "description", n.text);
      out.end_object();
    }
  }
  if (kind.has_errors) {
    required.push_back("errors");
    out.key("errors");
    out.raw(R"({"type":"array","minItems":1,"items":{"$ref":"#/components/schemas/FieldError"}})");
  }
  out.end_object();
  out.key("required");
  out.begin_array();
  for (const std::string_view name : required) {
    out.value(name);
  }
  out.end_array();
  member(out, "additionalProperties", false);
  out.end_object();
  return text;
}

void write_choice(json::writer& out, const std::set<errc>& codes) {
  out.begin_object();
  out.key("oneOf");
  out.begin_array();
  for (const errc code : codes) {
    refer(out, "schemas", problem_schema_name(code));
  }
  out.end_array();
  out.key("discriminator");
  out.begin_object();
  member(out, "propertyName", "code");
  out.key("mapping");
  out.begin_object();
  for (const errc code : codes) {
    member(out, to_string(code), schema_sink::reference(problem_schema_name(code)));
  }
  out.end_object();
  out.end_object();
  out.end_object();
}

}  // namespace

void refer(json::writer& out, std::string_view kind, std::string_view name) {
  std::string target = "#/components/";
  target.append(kind).append("/").append(name);
  out.begin_object();
  member(out, "$ref", target);
  out.end_object();
}

std::string component_name(errc code) {
  std::string made;
  bool begin = true;
  for (const char c : to_string(code)) {
    if (c == '_') {
      begin = true;
    } else {
      made += begin ? static_cast<char>(c - 32) : c;
      begin = false;
    }
  }
  return made;
}

std::string problem_schema_name(errc code) { return component_name(code) + "Problem"; }

void add_problems(shapes& all) {
  std::set<errc> codes;
  for (std::size_t i = 0; i < errc_count; ++i) {
    const auto code = static_cast<errc>(i);
    codes.insert(code);
    all.add(problem_schema_name(code), schema_of(code), problem_example(code));
  }
  all.describe(field_error{});
  std::string any;
  json::writer out{any};
  write_choice(out, codes);
  all.add("Problem", std::move(any), {});
}

std::string problem_example(errc code) {
  const problem_kind& kind = kind_of(code);
  error sample{code};
  for (const problem_number& n : kind.numbers) {
    if (!n.name.empty()) {
      sample = n.is_time ? std::move(sample).with_time(n.name, n.sample) : std::move(sample).with(n.name, n.sample);
    }
  }
  if (kind.has_errors && code == errc::invalid_parameter) {
    sample.fields.push_back({"limit", "range", "must be an integer from 1 to 100", {{"minimum", 1}, {"maximum", 100}}});
  } else if (kind.has_errors) {
    sample.fields.push_back({"#/quantity", "less_than_or_equal", "must be at most 1000", {{"maximum", 1000}}});
  }
  return problem_body(sample, samples::request_id);
}

void write_problem_content(json::writer& out, const std::set<errc>& codes, components& used) {
  used.examples.insert(codes.begin(), codes.end());
  out.dynamic_key(http::problem_type);
  out.begin_object();
  out.key("schema");
  if (codes.size() == 1) {
    refer(out, "schemas", problem_schema_name(*codes.begin()));
  } else {
    write_choice(out, codes);
  }
  out.key("examples");
  out.begin_object();
  for (const errc code : codes) {
    out.dynamic_key(to_string(code));
    refer(out, "examples", component_name(code));
  }
  out.end_object();
  out.end_object();
}

void write_problem_responses(json::writer& out, components& used) {
  out.key("responses");
  out.begin_object();
  for (const errc code : used.responses) {
    out.dynamic_key(component_name(code));
    out.begin_object();
    member(out, "description", kind_of(code).detail);
    write_headers(out, headers_of_status(kind_of(code).status));
    out.key("content");
    out.begin_object();
    write_problem_content(out, {code}, used);
    out.end_object();
    out.end_object();
  }
  out.end_object();
}

void write_problem_examples(json::writer& out, const components& used) {
  out.key("examples");
  out.begin_object();
  for (const errc code : used.examples) {
    out.dynamic_key(component_name(code));
    out.begin_object();
    member(out, "summary", kind_of(code).title);
    out.key("value");
    out.raw(problem_example(code));
    out.end_object();
  }
  out.end_object();
}

}  // namespace coffer::api::openapi
