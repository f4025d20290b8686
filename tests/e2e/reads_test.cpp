// Reads of long histories: each request looks at a bounded part, and how many there are can be limited.
#include <algorithm>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

/// Adds `rows` completed purchases of one unit each to the journal, and what they change.
void prolong(test::shop& s, std::int64_t product, std::int64_t rows) {
  const auto user = std::to_string(s.user);
  const auto bought = std::to_string(product);
  const auto count = std::to_string(rows);
  s.db.query(
      "insert into transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after,"
      " item_quantity_after, request_id, created_at) select u.id, u.version + n, 2, 2, $2, 1, 0, u.balance, n, 'long',"
      " now() from users u, generate_series(1, $3::bigint) n where u.id = $1",
      {user, bought, count});
  s.db.query("insert into inventory (user_id, product_id, quantity, bought) values ($1, $2, $3, $3)",
             {user, bought, count});
  s.db.query("update users set version = version + $2 where id = $1", {user, count});
}

std::string quantities(const test::http_response& answer) {
  REQUIRE(answer.status == 200);
  std::string all;
  const auto inventory = answer.json();
  for (const auto& item : inventory["items"].elements()) {
    all += fmt::format("{}x{} ", item["quantity"].integer(), item["product_id"].integer());
  }
  return all;
}

}  // namespace

TEST_CASE("a page of what is rare in a long history may be short, and its cursor leads to the rest") {
  test::shop s;
  REQUIRE(s.buy(1).status == 201);  // 2
  REQUIRE(s.client.post(fmt::format("/users/{}/transactions/2/refund", s.user), R"({"reason":"x"})").status == 201);
  prolong(s, test::make_product(s.client, "consumable", 0), 12'000);
  std::string cursor;
  std::vector<std::int64_t> sizes;
  std::int64_t found = 0;
  do {
    const auto answer = s.client.get(fmt::format("/users/{}/transactions?kind=refund{}", s.user, cursor));
    REQUIRE(answer.status == 200);
    const auto page = answer.json();
    sizes.push_back(static_cast<std::int64_t>(page["items"].size()));
    if (page["items"].size() == 1) {
      found = page["items"][0]["version"].integer();
    }
    cursor = page["next_cursor"].is_null() ? "" : "&cursor=" + page["next_cursor"].text();
  } while (!cursor.empty() && sizes.size() < 10);
  CHECK(sizes == std::vector<std::int64_t>{0, 0, 1});
  CHECK(found == 3);
  CHECK(s.client.get(fmt::format("/users/{}/transactions?limit=100", s.user)).json()["items"].size() == 100);
}

TEST_CASE("an inventory of the past is right wherever in a long history it lies") {
  test::shop s;
  const auto rare = test::make_product(s.client, "permanent", 1);
  const auto common = test::make_product(s.client, "consumable", 0);
  REQUIRE(s.buy(3).status == 201);                                   // 2
  REQUIRE(test::buy(s.client, s.user, rare).status == 201);          // 3
  REQUIRE(test::use(s.client, s.user, s.product, 3).status == 201);  // 4
  prolong(s, common, 12'000);
  const auto later = test::make_product(s.client, "consumable", 1);
  REQUIRE(test::buy(s.client, s.user, later, 2).status == 201);  // 12 005
  const auto at = [&](std::int64_t version) {
    return quantities(s.client.get(fmt::format("/users/{}/inventory?as_of={}", s.user, version)));
  };
  CHECK(at(1).empty());
  CHECK(at(2) == fmt::format("3x{} ", s.product));
  CHECK(at(4) == fmt::format("1x{} ", rare));
  CHECK(at(5) == fmt::format("1x{} 1x{} ", rare, common));
  for (const std::int64_t version : {4999, 5000, 5001, 5004, 5005, 10'000, 12'004}) {
    CAPTURE(version);
    CHECK(at(version) == fmt::format("1x{} {}x{} ", rare, version - 4, common));
  }
  CHECK(at(12'005) == fmt::format("1x{} 12000x{} 2x{} ", rare, common, later));
  const auto newest = s.client.get(fmt::format("/users/{}/inventory?as_of=12005", s.user)).json();
  CHECK(newest["items"][0] == s.inventory().json()["items"][0]);
}

TEST_CASE("reads beyond their limit are refused, writes and other users are not concerned") {
  test::shop s{{{"COFFER_LIMIT_READ", "user:5/1h"}}};
  const std::string user = fmt::format("/users/{}", s.user);
  const std::vector<std::string> paths = {user, user + "/inventory", user + "/transactions", user + "/transactions/1",
                                          user + "/statement"};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto answer = s.client.get(paths[i]);
    CHECK(answer.status == 200);
    CHECK(answer.header("RateLimit-Policy") == "\"read-user\";q=5;w=3600");
    CHECK(answer.header("RateLimit").value_or("").starts_with(fmt::format("\"read-user\";r={};t=", 4 - i)));
  }
  for (const std::string& path : paths) {
    const auto refused = s.client.get(path);
    CHECK(refused.status == 429);
    CHECK(refused.code() == "rate_limited");
    CHECK(refused.header("Retry-After"));
  }
  CHECK(s.client.get(user + "/operations/k").status == 429);
  CHECK(s.buy(1).status == 201);
  CHECK(s.client.get("/products").status == 200);
  CHECK(s.client.get("/readyz").status == 200);
  const std::int64_t other = test::make_user(s.client);
  CHECK(s.client.get(fmt::format("/users/{}", other)).status == 200);
  CHECK(s.server.metric("coffer_limiter_refused_total{by=\"user\",class=\"read\"}") == 6);
}
