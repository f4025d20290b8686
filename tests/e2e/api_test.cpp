// The contract's resources over HTTP: what comes back, and how it is refused.
#include "support/catch.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

TEST_CASE("an inventory is cached, carries its version as ETag, and is never stale") {
  test::database db;
  test::server_process server{db};
  auto client = server.client();
  const auto user = test::make_user(client, 1000);
  const auto product = test::make_product(client, "consumable", 10);
  const auto target = fmt::format("/users/{}/inventory", user);
  REQUIRE(test::buy(client, user, product, 2).status == 201);
  const auto first = client.get(target);
  CHECK(first.status == 200);
  CHECK(first.header("Cache-Status") == "coffer; fwd=miss");
  CHECK(first.header("ETag") == "\"2\"");
  const auto second = client.get(target);
  CHECK(second.header("Cache-Status") == "coffer; hit");
  CHECK(second.body == first.body);
  CHECK(client.get(target, {{"If-None-Match", "\"2\""}}).status == 304);
  REQUIRE(test::use(client, user, product, 2).status == 201);
  const auto third = client.get(target, {{"If-None-Match", "\"2\""}});
  CHECK(third.status == 200);
  CHECK(third.json()["version"] == 3);
  CHECK(third.json()["items"].size() == 0);
}

TEST_CASE("a history is paged newest first with a cursor that belongs to its filters") {
  test::database db;
  test::server_process server{db};
  auto client = server.client();
  const auto user = test::make_user(client, 25);
  const auto product = test::make_product(client, "consumable", 10);
  for (int i = 0; i < 4; ++i) {
    test::buy(client, user, product);
  }
  const auto base = fmt::format("/users/{}/transactions", user);
  const auto page = client.get(base + "?limit=2&kind=purchase").json();
  CHECK(page["items"][0]["version"] == 5);
  CHECK(page["items"][0]["reason"] == "insufficient_funds");
  CHECK(page["items"].size() == 2);
  const std::string cursor = page["next_cursor"].text();
  const auto rest = client.get(base + "?limit=2&kind=purchase&cursor=" + cursor).json();
  CHECK(rest["items"][1]["version"] == 2);
  CHECK(rest["next_cursor"].is_null());
  CHECK(client.get(base + "?cursor=" + cursor).code() == "invalid_cursor");
  CHECK(client.get(base + "?limit=0&colour=red").json()["errors"].size() == 2);
  CHECK(client.get(base + "/1").json()["kind"] == "deposit");
  CHECK(client.get(base + "/99").code() == "transaction_not_found");
}

TEST_CASE("unknown paths, methods, users and products are told apart") {
  test::database db;
  test::server_process server{db};
  auto client = server.client();
  CHECK(client.get("/nowhere").code() == "not_found");
  const auto method = client.request("DELETE", "/users/1");
  CHECK(method.status == 405);
  CHECK(method.header("Allow") == "GET, HEAD");
  CHECK(client.get("/users/1").code() == "user_not_found");
  CHECK(client.get("/v1/products/1").code() == "product_not_found");
  CHECK(client.post("/users", "{").code() == "malformed_json");
  const auto invalid = client.post("/products", R"({"name":"","price":-1,"type":"x","y":1})");
  CHECK(invalid.status == 422);
  CHECK(invalid.json()["errors"].size() == 4);
  CHECK(client.request("HEAD", "/livez").body.empty());
  CHECK(client.get("/readyz").status == 200);
}
