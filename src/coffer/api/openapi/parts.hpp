// The pieces that openapi.cpp puts together.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "coffer/api/endpoint.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/base/error.hpp"

namespace coffer::api::openapi {

/// What descriptions refer to.
struct components {
  shapes schemas;
  std::set<errc> responses;  ///< answers that are this one problem and nothing else
  std::set<errc> examples;
};

template <typename T>
void member(json::writer& out, std::string_view name, const T& value) {
  out.dynamic_key(name);
  out.value(value);
}

/// {"$ref": "#/components/<kind>/<name>"}
void refer(json::writer& out, std::string_view kind, std::string_view name);

/// "InsufficientFunds" of insufficient_funds.
std::string component_name(errc code);
/// The name of the code's schema.
std::string problem_schema_name(errc code);

/// The schemas of all problem documents, and "Problem" for any of them.
void add_problems(shapes& all);
/// A document with this code.
std::string problem_example(errc code);
/// Media type, schema and examples of an answer that is one of these problems, as a member of "content".
void write_problem_content(json::writer& out, const std::set<errc>& codes, components& used);
/// "components/responses".
void write_problem_responses(json::writer& out, components& used);
/// "components/examples": after everything that refers to them.
void write_problem_examples(json::writer& out, const components& used);

/// The "headers" of an answer: those of every answer and the named ones. Throws std::logic_error for an unknown name.
void write_headers(json::writer& out, const std::set<std::string_view>& names);
/// Headers that come with a status whatever the endpoint.
std::set<std::string_view> headers_of_status(int status);
/// "components/headers".
void write_header_components(json::writer& out);

/// An endpoint as an operation object of OpenAPI. Throws std::logic_error for names that do not exist.
void write_endpoint(json::writer& out, const endpoint& what, const description& about, bool secured, components& used);
/// "components/securitySchemes".
void write_security_schemes(json::writer& out);
/// "components/parameters".
void write_parameter_components(json::writer& out);

}  // namespace coffer::api::openapi
