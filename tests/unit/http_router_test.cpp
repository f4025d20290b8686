#include "coffer/http/router.hpp"

#include <stdexcept>
#include <string>

#include "support/catch.hpp"

namespace http_router_test {

using namespace coffer::http;

namespace {

router<std::string> shop() {
  router<std::string> table;
  table.add(method::post, "/users", "create user")
      .add(method::get, "/users/{user_id}", "user")
      .add(method::get, "/users/{user_id}/transactions/{version}", "transaction")
      .add(method::get, "/products/{product_id}", "product")
      .add(method::patch, "/products/{product_id}", "change product")
      .add(method::get, "/livez", "alive");
  table.compile();
  return table;
}

std::string lead(method verb, std::string_view path) {
  static const router<std::string> table = shop();
  const auto found = table.match(verb, path);
  switch (found.outcome) {
    case route_outcome::found:
      return *found.handler;
    case route_outcome::not_found:
      return "404";
    case route_outcome::method_not_allowed:
      return "405 " + std::string{found.allow};
    case route_outcome::whole_server:
      return "204 " + std::string{found.allow};
  }
  return "?";
}

/// The message of compile(), or "" when it accepts.
template <typename... Pattern>
std::string compile_error(Pattern... patterns) {
  router<int> table;
  (table.add(method::get, patterns, 0), ...);
  try {
    table.compile();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a path with integers leads to its route and gives them in order") {
  const auto table = shop();
  const auto found = table.match(method::get, "/users/42/transactions/9007199254740991");
  REQUIRE(found.outcome == route_outcome::found);
  CHECK(*found.handler == "transaction");
  CHECK(found.pattern == "/users/{user_id}/transactions/{version}");
  REQUIRE(found.params.size() == 2);
  CHECK(found.params[0] == 42);
  CHECK(found.params[1] == 9007199254740991);
}

TEST_CASE("a parameter that is not an integer from 1 to 2^53-1 is no such path") {
  CHECK(lead(method::get, "/users/1") == "user");
  for (const char* id : {"0", "-1", "+1", "01", "1.0", "1e3", "0x1", "a", "1a", " 1", "9007199254740992",
                         "99999999999999999999", "%20", "1%00"}) {
    CAPTURE(id);
    CHECK(lead(method::get, std::string{"/users/"} + id) == "404");
  }
}

TEST_CASE("every route answers below /v1 once") {
  CHECK(lead(method::get, "/v1/users/1") == "user");
  CHECK(lead(method::get, "/v1/livez") == "alive");
  CHECK(lead(method::get, "/v1/v1/livez") == "404");
  CHECK(lead(method::get, "/v1") == "404");
  CHECK(lead(method::get, "/v1/") == "404");
  CHECK(lead(method::get, "/v1livez") == "404");
}

TEST_CASE("HEAD falls to GET and to nothing else") {
  CHECK(lead(method::head, "/users/1") == "user");
  CHECK(lead(method::head, "/users") == "405 POST");
}

TEST_CASE("a known path with another method names the allowed ones") {
  CHECK(lead(method::delete_, "/products/1") == "405 GET, HEAD, PATCH");
  CHECK(lead(method::options, "/users") == "405 POST");
  CHECK(lead(method::get, "/users") == "405 POST");
}

TEST_CASE("TRACE and CONNECT are not allowed whatever the path") {
  CHECK(lead(method::trace, "/users/1") == "405 GET, HEAD");
  CHECK(lead(method::trace, "/nowhere") == "405 GET, HEAD, POST, PATCH");
  CHECK(lead(method::connect, "example.org:443") == "405 GET, HEAD, POST, PATCH");
}

TEST_CASE("empty segments, trailing slashes and other spellings are no such path") {
  for (const char* path : {"", "*", "/", "//", "/users/", "//users", "/users//1", "/users/1/", "/USERS/1", "/nowhere",
                           "users/1", "/livez/1/2/3/4/5/6/7/8/9"}) {
    CAPTURE(path);
    CHECK(lead(method::get, path) == "404");
  }
}

TEST_CASE("percent-encoding is decoded once and makes no segments") {
  CHECK(lead(method::get, "/%75sers/%31") == "user");
  CHECK(lead(method::get, "/%75sers/%31/transactio%6Es/%32") == "transaction");
  CHECK(lead(method::get, "/users%2F1") == "404");
  CHECK(lead(method::get, "/%2575sers/1") == "404");
  CHECK(lead(method::get, "/users/%zz") == "404");
  CHECK(lead(method::get, "/users/1%") == "404");
}

TEST_CASE("a table whose routes collide is refused with their names") {
  CHECK(compile_error("/users/{user_id}", "/users") == "");
  CHECK(compile_error("/users", "/users") == "route GET /users is there twice");
  CHECK(compile_error("/users/{user_id}/x", "/users/{id}/x") ==
        "routes /users/{user_id}/x and /users/{id}/x: one path with two spellings");
}

TEST_CASE("a malformed pattern is refused") {
  for (const char* pattern : {"users", "", "/users/", "//users", "/users/{}", "/users/{a", "/users/a}", "/a{b}",
                              "/users/7", "/a%20", "/{a}/{b}/{c}/{d}", "/a/b/c/d/e/f/g/h/i"}) {
    CAPTURE(pattern);
    CHECK_FALSE(compile_error(pattern).empty());
  }
  router<int> table;
  table.add(method::trace, "/users", 0);
  CHECK_THROWS_AS(table.compile(), std::invalid_argument);
}

TEST_CASE("all routes can be listed in the order of their making") {
  std::string all;
  shop().for_each([&](method verb, std::string_view pattern, const std::string& handler) {
    all.append(to_string(verb)).append(" ").append(pattern).append(" ").append(handler).append("\n");
  });
  CHECK(all.starts_with("POST /users create user\nGET /users/{user_id} user\n"));
  CHECK(all.ends_with("GET /livez alive\n"));
}

TEST_CASE("a parameter whose name ends in _key takes any segment, as it was sent") {
  router<int> table;
  table.add(method::get, "/users/{user_id}/operations/{idempotency_key}", 1);
  table.add(method::get, "/users/{user_id}/operations/{idempotency_key}/more", 2);
  table.compile();
  const auto found = table.match(method::get, "/v1/users/7/operations/a%2Fb%25c");
  REQUIRE(found.outcome == route_outcome::found);
  CHECK(found.params.size() == 1);
  CHECK(found.params[0] == 7);
  CHECK(found.params.text() == "a%2Fb%25c");
  CHECK(table.match(method::get, "/users/7/operations/12").params.text() == "12");
  CHECK(*table.match(method::get, "/users/7/operations/12/more").handler == 2);
  for (const std::string path : {"/users/7/operations/", "/users/7/operations/a/b", "/users/x/operations/a",
                                 "/users/7/operations/a%2", "/users/7/operations/a%00"}) {
    CAPTURE(path);
    CHECK(table.match(method::get, path).outcome == route_outcome::not_found);
  }
}

TEST_CASE("two texts in one pattern are refused") {
  CHECK(compile_error("/a/{a_key}/{b_key}") == "route /a/{a_key}/{b_key}: too many segments or parameters");
}

TEST_CASE("OPTIONS of the whole server names every method that a route has") {
  CHECK(lead(method::options, "*") == "204 GET, HEAD, POST, PATCH");
  CHECK(lead(method::get, "*") == "404");
}

}  // namespace http_router_test
