// Rows that a newer version has written, next to a process of this one: shown as far as they are understood.
#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/exchange_log.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

/// Lets the catalogue hold what only a newer schema would allow, as the journal does.
void widen(test::database& db) { db.query("alter table products drop constraint products_type_check"); }

}  // namespace

TEST_CASE("a refusal, kind, status or type that only a newer version knows does not end the process") {
  test::shop s;
  const std::string user = fmt::format("/users/{}", s.user);
  REQUIRE(s.buy(1, "bought").status == 201);                                 // 2
  REQUIRE(s.buy(1000, "refused").status == 402);                             // 3
  REQUIRE(test::use(s.client, s.user, s.product, 1, "used").status == 201);  // 4
  test::set_recorded(s.server.port(), false);  // a newer server's answers are not in this one's description
  widen(s.db);
  s.db.query("update transactions set reason = 'moon_is_full' where version = 3");
  s.db.query("update transactions set kind = 77, fingerprint = decode('00112233', 'hex') where version = 4");
  s.db.query(
      fmt::format("insert into transactions (user_id, version, kind, status, quantity, amount, balance_after,"
                  " request_id) values ({}, 5, 88, 9, 0, 0, 999, 'newer')",
                  s.user));
  s.db.query(fmt::format("update users set version = 5 where id = {}", s.user));

  const auto page = s.client.get(user + "/transactions").json();
  REQUIRE(page["items"].size() == 5);
  CHECK(page["items"][0]["kind"] == "unknown");
  CHECK(page["items"][0]["status"] == "unknown");
  CHECK(page["items"][1]["kind"] == "unknown");
  CHECK(page["items"][2]["reason"] == "moon_is_full");
  CHECK(s.client.get(user + "/transactions/3").json()["reason"] == "moon_is_full");
  CHECK(s.client.get(user + "/statement").json()["items"][2]["reason"] == "moon_is_full");
  const auto csv = s.client.get(user + "/statement?format=csv");
  CHECK(csv.status == 200);
  CHECK(csv.body.find("moon_is_full") != std::string::npos);
  CHECK(s.client.get(user + "/inventory?as_of=5").status == 200);

  const auto again = s.buy(1000, "refused");
  CHECK(again.status == 503);
  CHECK(again.code() == "unavailable");
  CHECK(again.json()["detail"].text().find("moon_is_full") != std::string::npos);
  const auto outcome = s.client.get(user + "/operations/refused").json();
  CHECK(outcome["status"] == 503);
  CHECK(outcome["transaction"]["reason"] == "moon_is_full");
  CHECK(test::use(s.client, s.user, s.product, 1, "used").status == 422);  // whether it is the same cannot be told
  // What did not fail is answered with its receipt, whatever else became of it.
  for (const int status : {1, 9}) {
    s.db.query(fmt::format("update transactions set status = {} where version = 2", status));
    CHECK(s.buy(1, "bought").status == 201);
    const auto told = s.client.get(user + "/operations/bought").json();
    CHECK(told["status"] == 201);
    CHECK(told["receipt"]["transaction"]["version"] == 2);
    const auto purchase = fmt::format(
        R"({{"user_id":{},"operations":[{{"op":"purchase","product_id":{},"quantity":1,"idempotency_key":"bought"}}]}})",
        s.user, s.product);
    const auto batch = s.client.post("/batch", purchase);
    CHECK(batch.json()["operations"][0]["status"] == 201);
  }

  s.db.query(fmt::format("update products set type = 3 where id = {}", s.product));
  const auto product = s.client.get(fmt::format("/products/{}", s.product)).json();
  CHECK(product["type"] == "unknown");
  CHECK(s.buy(1, "newer").status == 503);
  CHECK(s.buy(1).status == 503);
  CHECK(test::use(s.client, s.user, s.product).status == 503);
  CHECK(s.client
            .post(user + "/grants", fmt::format(R"({{"product_id":{},"quantity":1,"reason":"x"}})", s.product),
                  test::key("given"))
            .status == 503);
  CHECK(s.client.get("/products").status == 200);
  CHECK(s.server.running());
  s.db.query(fmt::format("update products set type = 1 where id = {}", s.product));
  CHECK(s.buy(1, "newer").status == 201);
}

TEST_CASE("a column whose type was changed under the server fails the request, and nothing else") {
  test::shop s;
  test::set_recorded(s.server.port(), false);
  s.db.query("alter table transactions alter column reason type varchar(200)");  // a text all the same
  REQUIRE(s.buy(1, "a").status == 201);
  s.db.query("alter table products alter column price type numeric");
  CHECK(s.client.get(fmt::format("/products/{}", s.product)).status == 500);
  CHECK(s.buy(1, "b").status == 500);
  CHECK(s.server.running());
  s.db.query("alter table products alter column price type bigint");
  CHECK(s.buy(1, "b").status == 201);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a limited product whose stock was deleted in the database is not sold, and the rest of its lane is") {
  test::shop s{{{"COFFER_LANES", "1"}}};
  const std::int64_t other = test::make_product(s.client, "consumable", 1);
  const std::string product = fmt::format("/products/{}", s.product);
  REQUIRE(s.client.patch(product, R"({"stock":5})").status == 200);
  REQUIRE(s.buy(1, "before").status == 201);  // 2
  s.db.query("delete from product_stock");
  for (int again = 0; again < 2; ++again) {
    const auto refused = s.buy(1);
    CHECK(refused.status == 503);
    CHECK(refused.code() == "unavailable");
    CHECK(refused.json()["detail"].text().find("no stock in the database") != std::string::npos);
  }
  const std::string refund = fmt::format("/users/{}/transactions/2/refund", s.user);
  CHECK(s.client.post(refund, R"({"reason":"x"})", test::key("back")).status == 503);
  CHECK(test::buy(s.client, s.user, other).status == 201);
  CHECK(s.server.running());
  s.db.query(fmt::format("insert into product_stock (product_id, supply, sold) values ({}, 5, 1)", s.product));
  CHECK(s.buy(1).status == 201);
  CHECK(s.client.post(refund, R"({"reason":"x"})", test::key("back")).status == 201);
  CHECK(test::audit(s.db) == "");
}
