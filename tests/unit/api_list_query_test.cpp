#include "coffer/api/list_query.hpp"

#include "coffer/api/actor.hpp"
#include "coffer/api/endpoints/account_statement.hpp"
#include "coffer/api/endpoints/inventory.hpp"
#include "coffer/api/endpoints/products.hpp"
#include "coffer/api/endpoints/transactions.hpp"
#include "coffer/api/endpoints/users.hpp"
#include "coffer/api/problem.hpp"
#include "coffer/json/schema.hpp"
#include "support/catch.hpp"
#include "support/json_value.hpp"

namespace api_list_query_test {

using namespace coffer;

namespace {

api::list_query query_of(std::string_view query) {
  http::request r;
  r.set_target("/products?" + std::string{query});
  return api::list_query{r};
}

/// "name code | ..." after asking for limit, cursor and active.
std::string violations_of(std::string_view query) {
  auto q = query_of(query);
  q.limit();
  q.text(api::cursor_parameter);
  q.boolean(api::active_parameter);
  const auto finished = q.finish();
  if (finished) {
    return "ok";
  }
  CHECK(finished.error().code == errc::invalid_parameter);
  std::string list;
  for (const field_error& f : finished.error().fields) {
    list += (list.empty() ? "" : " | ") + f.pointer + " " + f.code;
  }
  return list;
}

}  // namespace

TEST_CASE("a page has 50 items unless asked otherwise, and 1 to 100") {
  CHECK(query_of("").limit() == 50);
  CHECK(query_of("limit=1").limit() == 1);
  CHECK(query_of("limit=100").limit() == 100);
  CHECK(query_of("limit=%31%30").limit() == 10);
  for (const char* query : {"limit=0", "limit=101", "limit=-1", "limit=1.0", "limit=1e1", "limit=%2B5", "limit=+5",
                            "limit=5%20", "limit=0x5", "limit=abc", "limit=99999999999999999999"}) {
    CAPTURE(query);
    CHECK(violations_of(query) == "limit range");
  }
}

TEST_CASE("parameters are read by name, decoded once") {
  auto q = query_of("cursor=a%2Bb%2520c+d&active=false");
  CHECK(q.text(api::cursor_parameter) == "a+b%20c d");
  CHECK(q.boolean(api::active_parameter) == false);
  CHECK(!q.text(api::kind_parameter));
  CHECK(q.finish());
}

TEST_CASE("every violation of the query is told at once") {
  CHECK(violations_of("") == "ok");
  CHECK(violations_of("&&limit=5&") == "ok");
  CHECK(violations_of("active=yes") == "active enum");
  CHECK(violations_of("active=TRUE") == "active enum");
  CHECK(violations_of("sort=name") == "sort unknown_parameter");
  CHECK(violations_of("Limit=5") == "Limit unknown_parameter");
  CHECK(violations_of("limit=0&active=1&x=1&y=2") ==
        "limit range | active enum | x unknown_parameter | y unknown_parameter");
  CHECK(violations_of("cursor=%zz") == " malformed");
  CHECK(violations_of("cursor=%") == " malformed");
  CHECK(violations_of("cursor=%00") == " malformed");
}

TEST_CASE("a parameter that is given twice is one violation") {
  CHECK(violations_of("limit=5&limit=5") == "limit repeated");
  CHECK(violations_of("limit=5&limit=6&limit=7") == "limit repeated");
  CHECK(violations_of("cursor=a&limit=5&cursor=a") == "cursor repeated");
}

TEST_CASE("an empty parameter is one that was not given, whatever it is") {
  for (const auto* each : {&api::limit_parameter, &api::cursor_parameter, &api::active_parameter, &api::kind_parameter,
                           &api::status_parameter, &api::as_of_parameter, &api::actor_parameter, &api::from_parameter,
                           &api::to_parameter, &api::rows_parameter, &api::format_parameter}) {
    const std::string name{each->name};
    CAPTURE(name);
    for (const std::string& query : {name + "=", name, name + "=&" + name + "="}) {
      auto q = query_of(query);
      CHECK(!q.text(*each));
      CHECK(!q.integer(*each));
      CHECK(!q.boolean(*each));
      CHECK(!q.time(*each));
      CHECK(q.finish());
    }
  }
  CHECK(query_of("limit=&limit=5&limit=").limit() == 5);
  CHECK(violations_of("limit=5&limit=&limit=6") == "limit repeated");
  // A name that is not known is a mistake whatever its value.
  CHECK(violations_of("sort=") == "sort unknown_parameter");
}

TEST_CASE("unknown parameters cannot make a huge or invalid answer") {
  std::string query;
  for (int i = 0; i < 3000; ++i) {
    query += "a" + std::to_string(i) + "&";
  }
  const auto many = query_of(query).finish();
  REQUIRE(!many);
  CHECK(many.error().fields.size() == json::max_violations);

  const auto odd = query_of("%FF%22=1&" + std::string(500, 'n') + "=1").finish();
  REQUIRE(!odd);
  const auto body = test::json_value::parse(api::problem_body(odd.error(), "r"));
  CHECK(body["errors"][0]["pointer"] == "\uFFFD\"");
  CHECK(body["errors"][1]["pointer"].text().size() == 64);
}

}  // namespace api_list_query_test
