// The best sellers of the last seven days.
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

constexpr auto path = "/analytics/popular-products";

/// Sales in the past, as a batch would have counted them.
void count_sales(test::database& db, std::int64_t product, int purchases, const std::string& age) {
  db.query(
      "insert into sales_counters (hour, product_id, lane, purchases, units, revenue)"
      " values (date_trunc('hour', now() - $1::interval), $2, 0, $3, $3, $3)",
      {age, std::to_string(product), std::to_string(purchases)});
}

std::vector<std::int64_t> ids(const test::json_value& best) {
  std::vector<std::int64_t> out;
  for (const auto& product : best["products"].elements()) {
    out.push_back(product["product_id"].integer());
  }
  return out;
}

}  // namespace

TEST_CASE("the five products bought most often in seven days are listed, ties by id") {
  test::shop s{{{"REDIS_URL", "none"}}};
  std::vector<std::int64_t> products;
  for (int i = 0; i < 7; ++i) {
    products.push_back(test::make_product(s.client, "consumable", 1));
  }
  count_sales(s.db, products[0], 5, "6 days 22 hours");
  count_sales(s.db, products[1], 900, "7 days 2 hours");
  count_sales(s.db, products[2], 7, "1 hour");
  count_sales(s.db, products[3], 5, "3 days");
  count_sales(s.db, products[4], 2, "0 hours");
  count_sales(s.db, products[4], 2, "2 days");
  count_sales(s.db, products[5], 1, "0 hours");
  count_sales(s.db, products[6], 1, "0 hours");
  CHECK(ids(s.client.get(path).json()) ==
        std::vector<std::int64_t>{products[2], products[0], products[3], products[4], products[5]});
}

TEST_CASE("purchases count once each with their units and revenue, refused ones not at all") {
  test::shop s{{{"REDIS_URL", "none"}}, 100};
  const auto dear = test::make_product(s.client, "permanent", 60);
  REQUIRE(test::buy(s.client, s.user, dear).status == 201);
  REQUIRE(test::buy(s.client, s.user, dear).status == 409);
  REQUIRE(s.buy(10).status == 201);
  REQUIRE(s.buy(5).status == 201);
  REQUIRE(s.buy(1000).status == 402);
  REQUIRE(test::use(s.client, s.user, s.product).status == 201);
  const auto best = s.client.get(path).json();
  REQUIRE(best["products"].size() == 2);
  CHECK(best["products"][0]["product_id"] == s.product);
  CHECK(best["products"][0]["purchases"] == 2);
  CHECK(best["products"][0]["units"] == 15);
  CHECK(best["products"][0]["revenue"] == 15);
  CHECK(best["products"][1]["product_id"] == dear);
  CHECK(best["products"][1]["type"] == "permanent");
  CHECK(best["products"][1]["revenue"] == 60);
}

TEST_CASE("the list is computed once an hour, whoever asks") {
  test::shop s;
  REQUIRE(s.buy().status == 201);
  const auto first = s.client.get(path);
  REQUIRE(first.json()["products"].size() == 1);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(s.buy().status == 201);
  }
  CHECK(s.client.get(path).body == first.body);
  CHECK(s.client.get(path).json()["products"][0]["purchases"] == 1);
}

TEST_CASE("the list is as old as it is allowed to be and no older") {
  test::shop s{{{"COFFER_POPULAR_TTL", "1s"}}};
  REQUIRE(s.buy().status == 201);
  CHECK(s.client.get(path).json()["products"][0]["purchases"] == 1);
  REQUIRE(s.buy().status == 201);
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  CHECK(s.client.get(path).json()["products"][0]["purchases"] == 2);
}
