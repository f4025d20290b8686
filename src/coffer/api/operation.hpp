// What documents say of one route. Filled beside the handlers, turned into OpenAPI by openapi.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/base/error.hpp"
#include "coffer/http/response.hpp"
#include "coffer/json/json_schema.hpp"

namespace coffer::api {

/// What of the configuration documents show.
struct document_facts {
  std::string_view version;      ///< of the program
  std::int64_t max_deposit = 0;  ///< credits per add-funds
  bool secured = true;           ///< credentials are asked for
};

/// A query parameter or a request header.
struct parameter {
  enum class place : std::uint8_t { query, header };
  place in = place::query;
  json::member_info info;
  std::string_view example{};  ///< as JSON; empty: none
};

/// The body that a request must have.
struct request_body {
  std::string_view name;  ///< of its schema
  std::string schema;     ///< JSON Schema
  std::string_view example;
  std::string_view media = http::json_type;
};

/// One way of success, or of an answer that is no problem document. Several with one status are media types of it.
struct reply {
  int status = 200;
  std::string_view text;
  std::string_view shape{};  ///< the name of its schema; empty: plain text, or no body when `media` is empty
  std::vector<std::string_view> headers{};  ///< besides those that every answer has
  std::string_view media = http::json_type;
  std::string example{};  ///< empty: the shape's own
};

/// One operation. What follows from the route itself is added by the generator: path parameters, and the errors that
/// any request with a body, a query or an effect can cause.
struct operation {
  std::string_view id;       ///< a verb with its object, in camelCase: generated clients name a function after it
  std::string_view tag;      ///< one of those in openapi.cpp
  std::string_view summary;  ///< one line
  std::string_view text;     ///< what else a client has to know
  std::vector<parameter> parameters{};
  std::optional<request_body> body{};
  std::vector<reply> replies{};
  std::vector<errc> errors{};
};

/// Describes an operation. Every route has one, see routes.cpp.
using describe_operation = operation (*)(const document_facts& facts);

/// A body as its description reads it, with an example that it accepts.
template <typename Body>
request_body body_of(const json::object<Body>& schema, std::string_view example) {
  return {schema.name(), json::object_schema(schema.members(), schema.needs_one() ? 1 : 0), example};
}

}  // namespace coffer::api
