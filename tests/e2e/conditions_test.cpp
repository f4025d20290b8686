// Conditions on entity tags: what has changed meanwhile is not overwritten, what the client has is not sent again.
#include <atomic>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/parallel.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

std::string tag_of(const test::http_response& answer) { return answer.header("ETag").value_or("none"); }

}  // namespace

TEST_CASE("a product has an entity tag that changes with whatever is shown of it") {
  test::shop s;
  const auto made = s.client.post("/products", R"({"name":"tagged","price":5,"type":"consumable","stock":10})");
  const std::string target = made.header("Location").value_or("");
  const auto read = s.client.get(target);
  CHECK(tag_of(read) == tag_of(made));
  CHECK(read.body == made.body);
  CHECK(s.client.get(target, {{"If-None-Match", tag_of(read)}}).status == 304);
  CHECK(s.client.get(target, {{"If-None-Match", "\"a\""}, {"If-None-Match", tag_of(read)}}).status == 304);
  CHECK(s.client.get(target, {{"If-Match", tag_of(read)}}).status == 200);
  CHECK(s.client.get(target, {{"If-Match", "\"a\""}}).code() == "precondition_failed");
  REQUIRE(test::buy(s.client, s.user, read.json()["id"].integer()).status == 201);
  const auto sold = s.client.get(target, {{"If-None-Match", tag_of(read)}});
  CHECK(sold.status == 200);
  CHECK(tag_of(sold) != tag_of(read));
  const auto changed = s.client.patch(target, R"({"price":6})");
  CHECK(tag_of(changed) == tag_of(s.client.get(target)));
  CHECK(s.client.request("HEAD", target).header("ETag") == tag_of(changed));
}

TEST_CASE("a change under If-Match is done to the product that was read, and to no other") {
  test::shop s;
  const auto target = fmt::format("/products/{}", s.product);
  const std::string tag = tag_of(s.client.get(target));
  const auto changed = s.client.patch(target, R"({"price":7})", {{"If-Match", "\"x\""}, {"If-Match", tag}});
  REQUIRE(changed.status == 200);
  for (const std::string& wrong : {tag, "W/" + tag_of(changed), std::string{"\"\""}, std::string{"7"}, std::string{}}) {
    CAPTURE(wrong);
    const auto refused = s.client.patch(target, R"({"price":8})", {{"If-Match", wrong}});
    CHECK(refused.status == 412);
    CHECK(refused.code() == "precondition_failed");
  }
  CHECK(s.client.get(target).json()["price"] == 7);
  CHECK(s.client.patch(target, R"({"price":9})", {{"If-Match", "*"}}).json()["price"] == 9);
  CHECK(s.client.patch("/products/999", R"({"price":9})", {{"If-Match", "*"}}).code() == "product_not_found");
  // The connection of a refusal is of use for the next change.
  CHECK(s.client.patch(target, R"({"stock":3})", {{"If-Match", tag_of(s.client.get(target))}}).json()["stock"] == 3);
}

TEST_CASE("of those who change what they have read at the same time, one does and the others are told") {
  test::shop s;
  const auto target = fmt::format("/products/{}", s.product);
  constexpr std::size_t racers = 6;
  for (int round = 0; round < 5; ++round) {
    const std::string tag = tag_of(s.client.get(target));
    std::atomic<int> done = 0;
    std::atomic<int> refused = 0;
    test::parallel(racers, [&](std::size_t i) {
      // With and without a stock, so that changes meet at both rows.
      const std::size_t value = 100 + static_cast<std::size_t>(round) * racers + i;
      const std::string body = fmt::format(R"({{"{}":{}}})", i % 2 == 0 ? "price" : "stock", value);
      const auto answer = s.server.client().patch(target, body, {{"If-Match", tag}});
      done += answer.status == 200 ? 1 : 0;
      refused += answer.status == 412 ? 1 : 0;
    });
    CHECK(done == 1);
    CHECK(refused == static_cast<int>(racers) - 1);
  }
}

TEST_CASE("a guarded stock is not set over a sale that came between") {
  test::shop s;
  const auto target = fmt::format("/products/{}", s.product);
  REQUIRE(s.client.patch(target, R"({"stock":5})").status == 200);
  const std::string tag = tag_of(s.client.get(target));
  REQUIRE(s.buy(2).status == 201);
  CHECK(s.client.patch(target, R"({"stock":5})", {{"If-Match", tag}}).status == 412);
  CHECK(s.client.get(target).json()["stock"] == 3);
}

TEST_CASE("an inventory is read under If-Match only as the version that is meant") {
  test::shop s;
  const auto target = fmt::format("/users/{}/inventory", s.user);
  REQUIRE(s.buy(1).status == 201);
  CHECK(s.client.get(target, {{"If-Match", "\"2\""}}).status == 200);
  CHECK(s.client.get(target, {{"If-Match", "\"1\""}, {"If-Match", "\"2\""}}).status == 200);
  CHECK(s.client.get(target, {{"If-Match", "\"1\""}}).code() == "precondition_failed");
  CHECK(s.client.get(target, {{"If-Match", "W/\"2\""}}).status == 412);
  CHECK(s.client.get(target, {{"If-None-Match", "\"1\""}, {"If-None-Match", "\"2\""}}).status == 304);
  CHECK(s.client.get(target + "?as_of=1", {{"If-Match", "\"2\""}}).status == 412);
}

TEST_CASE("several lines of Accept are one list") {
  test::shop s;
  const auto target = fmt::format("/users/{}/statement", s.user);
  const auto csv = s.client.get(target, {{"Accept", "application/json;q=0.1"}, {"Accept", "text/csv"}});
  CHECK(csv.header("Content-Type").value_or("").starts_with("text/csv"));
  const auto page = s.client.get("/problems", {{"Accept", "image/png"}, {"Accept", "text/html"}});
  CHECK(page.header("Content-Type").value_or("").starts_with("text/html"));
}
