// Two spellings of one thing: numbers, members that are null, names of products.
#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

/// Sends one request under one key in two spellings; the second must replay the first, whose version is given.
std::int64_t check_twice(test::http_client& client, const std::string& path, const std::string& k,
                         const std::string& one, const std::string& other) {
  CAPTURE(path, one, other);
  const auto first = client.post(path, one, test::key(k));
  CHECK(first.status == 201);
  const auto second = client.post(path, other, test::key(k));
  CHECK(second.status == 201);
  CHECK(second.header("Idempotent-Replayed") == "true");
  CHECK(second.body == first.body);
  return first.json()["version"].integer();
}

}  // namespace

TEST_CASE("two spellings of one number are one request, in every body") {
  test::shop s;
  const std::string user = fmt::format("/users/{}", s.user);
  const std::string product = fmt::format("/products/{}", s.product);
  const auto of_user = [&s](const std::string& more) { return fmt::format(R"({{"user_id":{}{}}})", s.user, more); };
  const auto of_product = [&s](const std::string& more) {
    return fmt::format(R"({{"reason":"r","product_id":{}{}}})", s.product, more);
  };
  check_twice(s.client, user + "/add-funds", "d", R"({"amount":100})", R"({"amount":1.0e2})");
  check_twice(s.client, product + "/purchase", "p1", of_user(""),
              of_user(R"(.0,"quantity":10e-1,"expected_price":null)"));
  check_twice(s.client, product + "/purchase", "p2", of_user(R"(,"quantity":1)"), of_user(R"(e0,"quantity":null)"));
  check_twice(s.client, product + "/use", "u", of_user(R"(,"quantity":1)"), of_user(R"(,"quantity":null)"));
  check_twice(s.client, user + "/grants", "g", R"({"credits":-20,"reason":"r"})",
              R"({"credits":-2E1,"product_id":null,"quantity":null,"reason":"r"})");
  check_twice(s.client, user + "/grants", "i", of_product(R"(,"quantity":3)"), of_product(R"(.0,"quantity":0.3e1)"));
  const std::int64_t bought =
      check_twice(s.client, product + "/purchase", "p3", of_user(R"(,"quantity":2)"), of_user(R"(,"quantity":0.2E+1)"));
  check_twice(s.client, fmt::format("{}/transactions/{}/refund", user, bought), "r",
              R"({"quantity":1,"force":null,"reason":"r"})", R"({"quantity":1.0,"reason":"r"})");
  const auto in_batch = [&](const std::string& amount, const std::string& rest) {
    return s.client.post("/batch", fmt::format(R"({{"user_id":{}e0,"atomic":null,"operations":[)"
                                               R"({{"op":"add_funds","amount":{},"idempotency_key":"b"}},)"
                                               R"({{"op":"purchase","product_id":{}{},"idempotency_key":"c"}}]}})",
                                               s.user, amount, s.product, rest));
  };
  REQUIRE(in_batch("7", "").status == 200);
  const auto again = in_batch("0.7e1", R"(.00,"quantity":null,"expected_price":1.0)").json();
  CHECK(again["operations"][0]["replayed"].boolean());
  CHECK(again["operations"][1]["problem"]["code"] == "idempotency_key_reused");  // another expected price
  CHECK(in_batch("7.0", R"(,"quantity":1.0)").json()["operations"][1]["replayed"].boolean());
  const auto line = [&](const std::string& credits) {
    return s.client
        .request("POST", "/grants/bulk", {{"Content-Type", "application/x-ndjson"}},
                 fmt::format(R"({{"user_id":{}.0,"credits":{},"reason":"r","idempotency_key":"l"}})", s.user, credits))
        .body;
  };
  CHECK(line("50").find(R"("granted":1,"replayed":0)") != std::string::npos);
  CHECK(line("5e+1").find(R"("granted":0,"replayed":1)") != std::string::npos);
  const auto made = s.client.post("/products", fmt::format(R"({{"name":"{}","price":1E2,"type":"consumable",)"
                                                           R"("stock":null,"description":null,"is_active":null}})",
                                                           test::unique_word("p")));
  CHECK(made.status == 201);
  CHECK(made.json()["price"] == 100);
  CHECK(made.json()["is_active"].boolean());
}

TEST_CASE("a number that is not whole, or is not exact on every side, is refused and never rounded") {
  test::shop s;
  const auto code = [&s](const std::string& amount) {
    const auto refused =
        s.client.post(fmt::format("/users/{}/grants", s.user), fmt::format(R"({{"credits":{},"reason":"r"}})", amount));
    CHECK(refused.status == 422);
    return refused.json()["errors"][0]["code"].text();
  };
  for (const char* amount : {"1.5", "0.1", "9007199254740991.0000000000000001", "1e-400", "100e-3"}) {
    CAPTURE(amount);
    CHECK(code(amount) == "type");
  }
  for (const char* amount : {"9007199254740992", "9007199254740992.0", "9.007199254740992e15", "1e400",
                             "99999999999999999999999999999999999999999"}) {
    CAPTURE(amount);
    CHECK(code(amount) == "less_than_or_equal");
  }
  CHECK(code("-1e400") == "greater_than_or_equal");
  CHECK(code("-0.0") == "not_zero");
  CHECK(test::balance_of(s.client, s.user) == 1000);
}

TEST_CASE("names of products that look the same are the same, whatever the locale") {
  test::shop s;
  const auto make = [&s](const std::string& name) {
    return s.client.post("/products", fmt::format(R"({{"name":"{}","price":1,"type":"consumable"}})", name));
  };
  const auto first = make("\u00C4pfel f\u00FCr Stra\u00DFe");
  REQUIRE(first.status == 201);
  CHECK(first.json()["name"] == "\u00C4pfel f\u00FCr Stra\u00DFe");
  for (const char* same :
       {"A\u0308pfel fu\u0308r Stra\u00DFe", "\u00E4PFEL F\u00DCR STRA\u1E9EE",
        " \u00C4pfel f\u00FCr Stra\u00DFe\u00A0", "\u00C4p\u200Bfel f\u00FCr\u2060 Stra\u00DFe\uFEFF",
        "\u200B \u00E4p\u00ADfel f\u00FCr Stra\u00DFe"}) {
    CAPTURE(same);
    CHECK(make(same).json()["code"] == "name_taken");
  }
  const auto other = make("\u00C4pfel fur Stra\u00DFe");
  REQUIRE(other.status == 201);
  const auto renamed = s.client.patch(fmt::format("/products/{}", other.json()["id"].integer()),
                                      R"({"name":"\u00e4pfel f\u00fcr stra\u00dfe "})");
  CHECK(renamed.json()["code"] == "name_taken");
  for (const char* unseen : {" ", "\u200B", "\u00A0\uFEFF", "\u3164"}) {
    CAPTURE(unseen);
    const auto refused = make(unseen);
    CHECK(refused.status == 422);
    CHECK(refused.json()["errors"][0]["pointer"] == "#/name");
  }
}

TEST_CASE("names that become the same by a migration are told, and the migration waits for them") {
  test::shop s;
  const test::environment on{{"DATABASE_URL", s.db.url()}};
  const auto newest = [&s] { return s.db.sql().text("select max(version) from schema_migrations"); };
  while (newest() >= "20261129130100") {
    REQUIRE(test::run_coffer({"migrate", "down", "--steps", "1"}, on).exit_code == 0);
  }
  s.db.query("update products set name = 'Sword' where id = $1", {std::to_string(s.product)});
  s.db.query("insert into products (id, name, price, type) values (900, U&'sword\\200B', 1, 1)");
  const auto refused = test::run_coffer({"migrate", "up"}, on);
  CHECK(refused.exit_code != 0);
  CHECK(refused.err.find(fmt::format("{} \"Sword\", 900 \"sword", s.product)) != std::string::npos);
  s.db.query("update products set name = 'Sword of 900' where id = 900");
  CHECK(test::run_coffer({"migrate", "up"}, on).exit_code == 0);
}
