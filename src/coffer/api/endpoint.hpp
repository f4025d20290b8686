// One line of the route table: who serves it, who may use it, and what documents say of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "coffer/api/access.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/base/error.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"
#include "coffer/json/json_schema.hpp"
#include "coffer/net/task.hpp"

namespace coffer::api {

struct call;
struct context;
class shapes;

/// What of the configuration documents show.
struct document_facts {
  std::string_view version;      ///< of the program
  std::int64_t max_deposit = 0;  ///< credits per add-funds
  bool secured = true;           ///< credentials are asked for
};

/// A request header.
struct header_parameter {
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

/// What documents say of an endpoint. What follows from its line in the table is added by the generator: parameters of
/// the path and of the query, and the errors that any request with a body, a query or an effect can cause.
struct description {
  std::string_view id;       ///< a verb with its object, in camelCase: generated clients name a function after it
  std::string_view tag;      ///< one of those in openapi.cpp
  std::string_view summary;  ///< one line
  std::string_view text;     ///< what else a client has to know
  std::vector<header_parameter> headers{};
  std::optional<request_body> body{};
  std::vector<reply> replies{};
  std::vector<errc> errors{};
  /// Adds the shapes that the replies name.
  void (*add_shapes)(shapes& all, const document_facts& facts) = nullptr;
};

/// A body as its description reads it, with an example that it accepts.
template <typename Body>
request_body body_of(const json::object<Body>& schema, std::string_view example,
                     std::string_view media = http::json_type) {
  return {schema.name(), json::object_schema(schema.members(), schema.needs_one() ? 1 : 0), example, media};
}

/// Parses, calls a service, maps. Refusals are values; pg::error passes through to dispatch. A plain function serves
/// what needs to wait for nothing.
using route_handler =
    std::variant<net::task<http::response> (*)(context& with, call c), http::response (*)(context& with, call c)>;

/// How the body of a request reaches its handler.
enum class body_kind : std::uint8_t {
  none,   ///< there is none; one that comes is not read
  json,   ///< whole, as request::body
  lines,  ///< NDJSON, while it arrives, as request::stream
};

inline constexpr std::string_view ndjson_type = "application/x-ndjson";

/// An endpoint. Each header of endpoints/ ends in those of its resource; journal_routes.cpp or resource_routes.cpp
/// lists them.
struct endpoint {
  http::method verb = http::method::get;
  std::string_view path;  ///< a pattern, see http::router
  route_handler serve;
  description (*describe)(const document_facts& facts) = nullptr;
  access who;
  body_kind body = body_kind::none;
  std::span<const query_parameter> query{};  ///< a route without any refuses a query

  /// Whether it waits for other systems: a plain function does not.
  [[nodiscard]] constexpr bool waits() const { return serve.index() == 0; }
  /// The media type that a body must have; empty without a body.
  [[nodiscard]] constexpr std::string_view media() const {
    return body == body_kind::none ? std::string_view{} : body == body_kind::json ? http::json_type : ndjson_type;
  }
};

}  // namespace coffer::api
