// GET /users/{id}/inventory?as_of=: what was owned then, by version and by time.
#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

test::http_response past(test::shop& s, const std::string& as_of) {
  return s.client.get(fmt::format("/users/{}/inventory?as_of={}", s.user, as_of));
}

/// "product:quantity ..."
std::string items(const test::http_response& answer) {
  REQUIRE(answer.status == 200);
  std::string all;
  const auto inventory = answer.json();
  for (const auto& item : inventory["items"].elements()) {
    all += fmt::format("{}{}:{}", all.empty() ? "" : " ", item["product_id"].integer(), item["quantity"].integer());
  }
  return all;
}

std::string broken_rule(const test::http_response& answer) {
  CHECK(answer.status == 400);
  const auto problem = answer.json();
  return problem["code"].text() + " " + problem["errors"][0]["pointer"].text() + " " +
         problem["errors"][0]["code"].text();
}

}  // namespace

TEST_CASE("an inventory of the past has what was owned after each version") {
  test::shop s;
  const auto crown = test::make_product(s.client, "permanent", 5);
  REQUIRE(s.buy(3).status == 201);                                   // 2
  REQUIRE(test::use(s.client, s.user, s.product, 1).status == 201);  // 3
  REQUIRE(test::buy(s.client, s.user, crown).status == 201);         // 4
  REQUIRE(test::buy(s.client, s.user, crown).status == 409);         // 5
  REQUIRE(s.client.post(fmt::format("/users/{}/transactions/2/refund", s.user), R"({"reason":"x"})").status == 201);
  CHECK(items(past(s, "0")).empty());
  CHECK(items(past(s, "1")).empty());
  CHECK(items(past(s, "2")) == fmt::format("{}:3", s.product));
  CHECK(items(past(s, "3")) == fmt::format("{}:2", s.product));
  CHECK(items(past(s, "5")) == fmt::format("{}:2 {}:1", s.product, crown));
  const auto newest = past(s, "6");
  CHECK(items(newest) == fmt::format("{}:1", crown));
  CHECK(newest.json()["version"] == 6);
  CHECK(newest.header("Cache-Status") == "coffer; fwd=bypass");
  CHECK(newest.json()["items"] == s.inventory().json()["items"]);
  CHECK_FALSE(newest.json().contains("as_of"));
  CHECK(broken_rule(past(s, "7")) == "invalid_parameter as_of range");
}

TEST_CASE("an inventory of a past time is that of the last row by then") {
  test::shop s;
  const auto first = s.buy(2).json()["transaction"]["created_at"].text();
  const auto second = s.buy(1).json()["transaction"]["created_at"].text();
  const auto then = past(s, first);
  CHECK(items(then) == fmt::format("{}:2", s.product));
  CHECK(then.json()["as_of"] == first);
  CHECK(then.json()["items"][0]["purchased_at"] == first);
  CHECK(then.json()["version"] == 2);
  CHECK(items(past(s, second)) == fmt::format("{}:3", s.product));
  CHECK(items(past(s, "2001-01-01T00:00:00Z")).empty());
  CHECK(past(s, "2001-01-01T00:00:00Z").json()["version"] == 0);
}

TEST_CASE("a past that cannot be is refused with the rule") {
  test::shop s;
  CHECK(broken_rule(past(s, "yesterday")) == "invalid_parameter as_of format");
  CHECK(broken_rule(past(s, "-1")) == "invalid_parameter as_of format");
  CHECK(broken_rule(past(s, "2999-01-01T00:00:00Z")) == "invalid_parameter as_of range");
  CHECK(broken_rule(s.client.get(fmt::format("/users/{}/inventory?at=1", s.user))).starts_with("invalid_parameter at"));
  CHECK(s.client.get("/users/999/inventory?as_of=1").json()["code"] == "user_not_found");
}
