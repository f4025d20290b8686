// /openapi.json against the table of routes, the bodies and the codes that the server works with.
#include "coffer/api/openapi/openapi.hpp"

#include <set>

#include "coffer/api/endpoints/batch.hpp"
#include "coffer/api/endpoints/products.hpp"
#include "coffer/api/endpoints/users.hpp"
#include "coffer/api/endpoints/webhooks.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/api/problem.hpp"
#include "coffer/api/routes.hpp"
#include "coffer/api/vocabulary.hpp"
#include "support/catch.hpp"
#include "support/json_value.hpp"

namespace api_openapi_test {

using namespace coffer;
using coffer::test::json_value;

namespace {

constexpr std::int64_t some_limit = 12345;

const json_value& document() {
  static const json_value parsed =
      json_value::parse(api::make_openapi({.version = "1.2.3", .max_deposit = some_limit}));
  return parsed;
}

std::string lower(std::string_view text) {
  std::string made;
  for (const char c : text) {
    made += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return made;
}

const json_value& operation(const std::string& path, const std::string& method) {
  return document()["paths"][path][method];
}

/// What a "$ref" leads to; throws when it leads nowhere.
const json_value& resolve(const std::string& reference) {
  REQUIRE(reference.starts_with("#/components/"));
  const auto rest = reference.substr(13);
  const auto slash = rest.find('/');
  return document()["components"][rest.substr(0, slash)][rest.substr(slash + 1)];
}

/// Calls visit(reference) for every "$ref" below `value`.
template <typename Visit>
void for_each_reference(const json_value& value, const Visit& visit) {
  if (value.is_object()) {
    for (const auto& [name, inner] : value.members()) {
      if (name == "$ref") {
        visit(inner.text());
      }
      for_each_reference(inner, visit);
    }
  } else if (value.is_array()) {
    for (const json_value& inner : value.elements()) {
      for_each_reference(inner, visit);
    }
  }
}

/// Calls visit(object, where) for every object below `value`.
template <typename Visit>
void for_each_object(const json_value& value, const std::string& where, const Visit& visit) {
  if (value.is_object()) {
    visit(value, where);
    for (const auto& [name, inner] : value.members()) {
      for_each_object(inner, where + "/" + name, visit);
    }
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      for_each_object(value.elements()[i], where + "/" + std::to_string(i), visit);
    }
  }
}

bool is_string_schema(const json_value& schema) {
  if (!schema.contains("type")) {
    return false;
  }
  const json_value& type = schema["type"];
  return type.dump() == R"("string")" || type.dump() == R"(["string","null"])";
}

}  // namespace

TEST_CASE("every string has its bound, but for statements, which have any length") {
  std::size_t seen = 0;
  for_each_object(document(), "", [&](const json_value& schema, const std::string& where) {
    if (!is_string_schema(schema)) {
      return;
    }
    ++seen;
    CAPTURE(where);
    const bool statement =
        where.find("/responses/") != std::string::npos && where.find("/content/text/csv/") != std::string::npos;
    CHECK((statement || schema.contains("maxLength") || schema.contains("enum") || schema.contains("const")));
  });
  CHECK(seen > 150);
}

TEST_CASE("no object lists its required members without having one") {
  std::size_t seen = 0;
  for_each_object(document(), "", [&](const json_value& schema, const std::string& where) {
    if (schema.contains("required") && schema["required"].is_array()) {
      ++seen;
      CAPTURE(where);
      CHECK(schema["required"].size() > 0);
    }
  });
  CHECK(seen > 40);
}

TEST_CASE("bodies of lines are one text to whoever generates a client, and say what a line is") {
  std::size_t seen = 0;
  for_each_object(document(), "", [&](const json_value& content, const std::string& where) {
    if (!content.contains("application/x-ndjson")) {
      return;
    }
    ++seen;
    CAPTURE(where);
    const json_value& body = content["application/x-ndjson"];
    CHECK(body["schema"]["type"] == "string");
    CHECK(body["schema"]["contentMediaType"] == "application/x-ndjson");
    CHECK_NOTHROW(resolve(body["schema"]["contentSchema"]["$ref"].text()));
    CHECK(body["example"].text().ends_with("}\n"));
    CHECK_NOTHROW(json_value::parse(body["example"].text()));
  });
  CHECK(seen == 3);
}

TEST_CASE("webhooks are a request for each type of event, with an example of that type, of 20 kB at most") {
  const json_value document = json_value::parse(api::make_openapi({.version = "1.2.3", .max_deposit = some_limit}));
  const json_value& webhooks = document["webhooks"];
  CHECK(webhooks.size() == domain::event_types.size() + 1);
  for (const std::string_view type : domain::event_types) {
    INFO(type);
    REQUIRE(webhooks.contains(type));
    CHECK(webhooks[type]["post"]["requestBody"]["content"]["application/json"]["example"]["type"].text() == type);
  }
  store::product_change largest{
      .now = api::samples::product(), .at = api::samples::some_time, .stream = -256, .position = 1};
  largest.now.description.clear();
  for (std::int64_t i = 0; i < api::longest_description; ++i) {
    largest.now.description += "\U0001F600";
  }
  CHECK(api::rendered(api::show(largest)).size() < 20'000);
}

TEST_CASE("a server without authentication demands no security") {
  const json_value open =
      json_value::parse(api::make_openapi({.version = "1.2.3", .max_deposit = some_limit, .secured = false}));
  std::size_t demands = 0;
  const auto count = [&](const json_value& from) {
    demands = 0;
    for_each_object(from, "", [&](const json_value& object, const std::string&) {
      demands += object.contains("security") ? object["security"].size() : 0;
    });
    return demands;
  };
  CHECK(count(open) == 0);
  CHECK_FALSE(open["components"].contains("securitySchemes"));
  CHECK(count(document()) > 20);
  CHECK(document()["components"].contains("securitySchemes"));
}

TEST_CASE("every route of the table is an operation with its path parameters, and there is no other") {
  std::set<std::string> routes;
  std::set<std::string> ids;
  api::make_routes().for_each([&](http::method verb, std::string_view pattern, const api::endpoint&) {
    const std::string path{pattern};
    CAPTURE(path);
    routes.insert(path + " " + lower(to_string(verb)));
    const json_value& found = operation(path, lower(to_string(verb)));
    CHECK(ids.insert(found["operationId"].text()).second);
    std::size_t in_path = 0;
    for (const json_value& p : found["parameters"].elements()) {
      if (p.contains("in") && p["in"] == "path") {
        ++in_path;
        CHECK(path.find("{" + p["name"].text() + "}") != std::string::npos);
        CHECK(p["required"].boolean());
      }
    }
    CHECK(in_path == static_cast<std::size_t>(std::count(path.begin(), path.end(), '{')));
  });
  std::set<std::string> described;
  for (const auto& [path, item] : document()["paths"].members()) {
    for (const auto& [method, what] : item.members()) {
      described.insert(path + " " + method);
    }
  }
  CHECK(described == routes);
}

TEST_CASE("every reference of the document leads somewhere, and every response and example is referred to") {
  std::set<std::string> used;
  for_each_reference(document(), [&](const std::string& reference) {
    CAPTURE(reference);
    CHECK_NOTHROW(resolve(reference));
    used.insert(reference);
  });
  for (const char* kind : {"responses", "parameters", "examples", "headers"}) {
    for (const auto& [name, what] : document()["components"][kind].members()) {
      CAPTURE(kind, name);
      CHECK(used.contains(std::string{"#/components/"} + kind + "/" + name));
    }
  }
}

TEST_CASE("bounds in the document are those that requests are checked against") {
  const json_value& schemas = document()["components"]["schemas"];
  const json_value& deposit = schemas["AddFunds"]["properties"]["amount"];
  CHECK(deposit["minimum"] == 1);
  CHECK(deposit["maximum"] == some_limit);
  const json_value& purchase = schemas["Purchase"];
  CHECK(purchase["properties"]["quantity"]["maximum"] == domain::max_quantity);
  CHECK(purchase["properties"]["quantity"]["default"] == 1);
  CHECK(purchase["properties"]["expected_price"]["type"].dump() == R"(["integer","null"])");
  CHECK(purchase["required"].dump() == R"(["user_id"])");
  CHECK(schemas["CreateProduct"]["properties"]["type"]["enum"].dump() == R"(["consumable","permanent"])");
  CHECK(schemas["CreateProduct"]["properties"]["is_active"]["default"].boolean());
  CHECK(schemas["CreateProduct"]["properties"]["description"]["default"] == "");
  CHECK(schemas["CreateUser"]["properties"]["username"]["minLength"] == 3);
  CHECK(schemas["ChangeProduct"]["minProperties"] == 1);
  for (const json_value& p : operation("/products", "get")["parameters"].elements()) {
    if (p.contains("name") && p["name"] == "limit") {
      CHECK(p["schema"]["maximum"] == api::largest_page);
      CHECK(p["schema"]["default"] == api::default_page);
    }
  }
}

TEST_CASE("the examples of bodies are accepted") {
  const auto example = [](const char* path, const char* method) {
    return operation(path, method)["requestBody"]["content"]["application/json"]["example"].dump();
  };
  std::string body = example("/users", "post");
  CHECK(api::create_user_schema().read(body));
  body = example("/products", "post");
  CHECK(api::create_product_schema().read(body));
  body = example("/products/{product_id}", "patch");
  CHECK(api::change_product_schema().read(body));
  body = example("/users/{user_id}/add-funds", "post");
  CHECK(api::make_add_funds_schema(some_limit).read(body));
  body = example("/products/{product_id}/purchase", "post");
  CHECK(api::purchase_schema().read(body));
  body = example("/products/{product_id}/use", "post");
  CHECK(api::use_schema().read(body));
  body = example("/batch", "post");
  CHECK(api::make_batch_schema(some_limit).read(body));
}

TEST_CASE("every code has a schema with its constants and an example that has exactly its members") {
  for (std::size_t i = 0; i < errc_count; ++i) {
    const auto code = static_cast<errc>(i);
    const json_value body = json_value::parse(api::problem_body(error{code}, "r"));
    CAPTURE(body);
    std::size_t found = 0;
    for (const auto& [name, schema] : document()["components"]["schemas"].members()) {
      if (name == "Problem" || !name.ends_with("Problem") || !(schema["properties"]["code"]["const"] == body["code"])) {
        continue;
      }
      ++found;
      CHECK(schema["properties"]["type"]["const"] == body["type"]);
      CHECK(schema["properties"]["title"]["const"] == body["title"]);
      CHECK(schema["properties"]["status"]["const"] == body["status"]);
      CHECK(schema["properties"].size() == schema["required"].size());
      const json_value& examples = document()["components"]["examples"];
      if (const auto short_name = name.substr(0, name.size() - 7); examples.contains(short_name)) {
        CHECK(examples[short_name]["value"].names() == schema["properties"].names());
      }
    }
    CHECK(found == 1);
  }
}

TEST_CASE("what an operation answers follows from what it is made of") {
  const json_value& purchase = operation("/products/{product_id}/purchase", "post")["responses"];
  for (const char* status :
       {"201", "400", "402", "404", "408", "409", "413", "414", "415", "417", "422", "431", "500", "503", "505"}) {
    CAPTURE(status);
    CHECK(purchase.contains(status));
  }
  CHECK(purchase["201"]["headers"].contains("Idempotent-Replayed"));
  CHECK(purchase["409"]["headers"].contains("Idempotent-Replayed"));
  CHECK(purchase["503"]["headers"].contains("Retry-After"));
  CHECK(purchase["503"]["content"]["application/problem+json"]["examples"].contains("outcome_unknown"));
  const json_value& user = operation("/users/{user_id}", "get")["responses"];
  CHECK_FALSE(user.contains("422"));
  CHECK_FALSE(user["503"]["content"]["application/problem+json"]["examples"].contains("outcome_unknown"));
  CHECK_FALSE(operation("/livez", "get")["responses"].contains("404"));
  const json_value& ready = operation("/readyz", "get")["responses"]["503"]["content"];
  CHECK(ready.contains("application/json"));
  CHECK(ready.contains("application/problem+json"));
}

TEST_CASE("the words of the documents are the domain's") {
  for (std::size_t i = 0; i < api::transaction_kinds.size(); ++i) {
    CHECK(to_string(static_cast<domain::transaction_kind>(i + 1)) == api::transaction_kinds[i]);
  }
  for (std::size_t i = 0; i < api::transaction_statuses.size(); ++i) {
    CHECK(to_string(static_cast<domain::transaction_status>(i + 1)) == api::transaction_statuses[i]);
  }
  for (std::size_t i = 0; i < api::product_types.size(); ++i) {
    CHECK(to_string(static_cast<domain::product_type>(i + 1)) == api::product_types[i]);
  }
}

}  // namespace api_openapi_test
