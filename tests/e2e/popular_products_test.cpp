// The best sellers of the last seven days.
#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "coffer/base/ids.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/process.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

constexpr auto popular_path = "/analytics/popular-products";

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
  CHECK(ids(s.client.get(popular_path).json()) ==
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
  const auto best = s.client.get(popular_path).json();
  REQUIRE(best["products"].size() == 2);
  CHECK(best["products"][0]["product_id"] == s.product);
  CHECK(best["products"][0]["purchases"] == 2);
  CHECK(best["products"][0]["units"] == 15);
  CHECK(best["products"][0]["revenue"] == 15);
  CHECK(best["products"][1]["product_id"] == dear);
  CHECK(best["products"][1]["type"] == "permanent");
  CHECK(best["products"][1]["revenue"] == 60);
}

TEST_CASE("what was refunded is no best seller") {
  test::shop s{{{"REDIS_URL", "none"}}, 100};
  const auto other = test::make_product(s.client, "consumable", 10);
  const auto refund = [&s](const test::http_response& bought, const std::string& members) {
    const auto refunds = fmt::format("/users/{}/transactions/{}/refund", s.user, bought.json()["version"].integer());
    REQUIRE(s.client.post(refunds, fmt::format(R"({{{}"reason":"by accident"}})", members)).status == 201);
  };
  const auto kept = s.buy(5);
  refund(kept, R"("quantity":2,)");
  refund(s.buy(3), "");
  const auto returned = test::buy(s.client, s.user, other, 2);
  refund(returned, R"("quantity":1,)");
  refund(returned, "");
  // An hour on, a sale of another hour.
  s.db.query("update transactions set created_at = created_at - interval '3 hours' where version = $1",
             {std::to_string(kept.json()["version"].integer())});
  s.db.query("update sales_counters set hour = hour - interval '3 hours' where product_id = $1",
             {std::to_string(s.product)});
  const auto best = s.client.get(popular_path).json()["products"];
  REQUIRE(best.size() == 1);
  CHECK(best[0]["product_id"] == s.product);
  CHECK(best[0]["purchases"] == 1);
  CHECK(best[0]["units"] == 3);
  CHECK(best[0]["revenue"] == 3);
}

TEST_CASE("a server folds the counters of hours and days that are over, and nothing else shows it") {
  test::shop s{{{"REDIS_URL", "none"}}, 100};
  for (int i = 0; i < 6; ++i) {
    REQUIRE(s.buy(2).status == 201);
  }
  // Two sales in each of: an hour of ten days ago, the next one, an hour of today; counted by two processes each.
  s.db.query(
      "update transactions set created_at = date_trunc('day', now(), 'UTC') - interval '10 days' + case version"
      " when 1 then interval '0 hours' when 2 then interval '5 hours' when 3 then interval '5 hours'"
      " when 4 then interval '6 hours' when 5 then interval '6 hours' else now() - interval '4 hours'"
      " - date_trunc('day', now(), 'UTC') + interval '10 days' end");
  s.db.query("delete from sales_counters");
  s.db.query(
      "insert into sales_counters (hour, product_id, lane, purchases, units, revenue) select"
      " date_trunc('hour', created_at), product_id, version, 1, quantity, amount from transactions where kind = 2");
  const test::environment on{{"DATABASE_URL", s.db.url()}, {"REDIS_URL", "none"}};
  REQUIRE(test::run_coffer({"verify"}, on).exit_code == 0);
  const auto best = s.client.get(popular_path).json()["products"];
  REQUIRE(best[0]["purchases"] == 2);
  REQUIRE(s.db.integer("select count(*) from sales_counters") == 6);

  test::server_process next{s.db, on};
  REQUIRE(test::eventually(10s, [&] { return s.db.integer("select count(*) from sales_counters") == 2; }));
  CHECK(test::eventually(5s, [&] { return next.metric("coffer_sales_counters_folded_total") == 6; }));
  auto client = next.client();
  CHECK(client.get(popular_path).json()["products"] == best);
  CHECK(test::run_coffer({"verify"}, on).exit_code == 0);
  // Of a folded day, too, a wrong counter is found.
  s.db.query("update sales_counters set units = units + 1 where hour < now() - interval '9 days'");
  CHECK(test::says(test::run_coffer({"verify"}, on).out, "sales_counters_are_journal_sum"));
}

TEST_CASE("a migration counts the refunds that are there already") {
  test::shop s;
  for (const char* quantity : {"1", "3"}) {
    const auto version = s.buy(3).json()["version"].integer();
    REQUIRE(s.client
                .post(fmt::format("/users/{}/transactions/{}/refund", s.user, version),
                      fmt::format(R"({{"quantity":{},"reason":"by accident"}})", quantity))
                .status == 201);
  }
  const test::environment on{{"DATABASE_URL", s.db.url()}};
  while (s.db.sql().text("select max(version) from schema_migrations") >= "20261129130000") {
    REQUIRE(test::run_coffer({"migrate", "down", "--steps", "1"}, on).exit_code == 0);
  }
  REQUIRE(test::run_coffer({"migrate", "up"}, on).exit_code == 0);
  CHECK(s.db.sql().text("select concat_ws(' ', purchases, units, revenue) from refunded_sales") == "1 4 4");
  CHECK(test::run_coffer({"verify"}, on).exit_code == 0);
}

TEST_CASE("sales are counted in full up to 64 bits, and no sale is refused beyond") {
  test::shop s{{{"REDIS_URL", "none"}}};
  constexpr std::int64_t most = max_json_integer;
  constexpr int sales = 1025;
  const auto dear = test::make_product(s.client, "consumable", most);
  REQUIRE(s.client.post(fmt::format("/users/{}/grants", s.user), R"({"credits":-1000,"reason":"an empty wallet"})")
              .status == 201);
  const std::string pair = fmt::format(
      R"({{"op":"grant","credits":{},"reason":"to buy it"}},{{"op":"purchase","product_id":{}}})", most, dear);
  for (int done = 0; done < sales;) {
    const int now = std::min(50, sales - done);
    std::string operations = pair;
    for (int i = 1; i < now; ++i) {
      operations += "," + pair;
    }
    const auto sold =
        s.client.post("/batch", fmt::format(R"({{"user_id":{},"atomic":true,"operations":[{}]}})", s.user, operations));
    REQUIRE(sold.status == 200);
    done += now;
  }
  CHECK(test::balance_of(s.client, s.user) == 0);
  const auto best = s.client.get(popular_path).json()["products"];
  REQUIRE(best.size() == 1);
  CHECK(best[0]["purchases"] == sales);
  CHECK(best[0]["units"] == sales);
  CHECK(best[0]["revenue"] == most);
  CHECK(test::run_coffer({"verify"}, {{"DATABASE_URL", s.db.url()}}).exit_code == 0);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("the list is computed once an hour, whoever asks") {
  test::shop s;
  REQUIRE(s.buy().status == 201);
  const auto first = s.client.get(popular_path);
  REQUIRE(first.json()["products"].size() == 1);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(s.buy().status == 201);
  }
  CHECK(s.client.get(popular_path).body == first.body);
  CHECK(s.client.get(popular_path).json()["products"][0]["purchases"] == 1);
}

TEST_CASE("the list is as old as it is allowed to be and no older") {
  test::shop s{{{"COFFER_POPULAR_TTL", "1s"}}};
  REQUIRE(s.buy().status == 201);
  CHECK(s.client.get(popular_path).json()["products"][0]["purchases"] == 1);
  REQUIRE(s.buy().status == 201);
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  CHECK(s.client.get(popular_path).json()["products"][0]["purchases"] == 2);
}
