// The pieces that openapi.cpp puts together.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "coffer/api/access.hpp"
#include "coffer/api/operation.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/http/request.hpp"

namespace coffer::api::openapi {

/// What operations refer to.
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
/// Headers that come with a status whatever the operation.
std::set<std::string_view> headers_of_status(int status);
/// "components/headers".
void write_header_components(json::writer& out);

/// What the route table knows of an operation.
struct route_facts {
  bool waits = false;   ///< the handler uses the database
  bool secured = true;  ///< the server asks for credentials
  access who;
};

/// One route as an operation object. Throws std::logic_error for names that do not exist.
void write_operation(json::writer& out, http::method verb, std::string_view pattern, const route_facts& route,
                     const operation& what, components& used);
/// "components/securitySchemes".
void write_security_schemes(json::writer& out);
/// "components/parameters".
void write_parameter_components(json::writer& out);

}  // namespace coffer::api::openapi
