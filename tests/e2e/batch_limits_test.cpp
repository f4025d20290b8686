// Limits on batches: as many operations at once, all of them or none.
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

test::http_response batch(test::shop& shop, int purchases, int uses = 0) {
  std::string operations;
  for (int i = 0; i < purchases + uses; ++i) {
    operations += fmt::format(R"({}{{"op":"{}","product_id":{}}})", i == 0 ? "" : ",",
                              i < purchases ? "purchase" : "use", shop.product);
  }
  return shop.client.post("/batch", fmt::format(R"({{"user_id":{},"operations":[{}]}})", shop.user, operations));
}

/// How many single purchases pass now.
int singles(test::shop& shop) {
  int passed = 0;
  while (passed < 100 && shop.buy().status == 201) {
    ++passed;
  }
  return passed;
}

}  // namespace

TEST_CASE("each operation of a batch counts like the request for it alone") {
  test::shop shop{{{"COFFER_LIMIT_PURCHASE", "user:5/1h"}, {"COFFER_LIMIT_USE", "user:1/1h"}}};
  CHECK(batch(shop, 4, 1).status == 200);
  CHECK(batch(shop, 2, 0).status == 429);
  CHECK(batch(shop, 0, 1).status == 429);
  CHECK(test::balance_of(shop.client, shop.user) == 996);
  CHECK(test::audit(shop.db).empty());
}

TEST_CASE("a batch that is refused for the rate takes nothing from any limit, and passes when there is enough") {
  test::shop shop{{{"COFFER_LIMIT_PURCHASE", "user:10/10s,address:20/1h"}, {"COFFER_LIMIT_USE", "user:1/1h"}}};
  CHECK(batch(shop, 6).status == 200);
  std::int64_t wait = 0;
  for (int i = 0; i < 10; ++i) {
    const auto refused = batch(shop, 6);
    CHECK(refused.status == 429);
    wait = refused.json()["retry_after"].integer();
    CHECK(wait <= 2);
    CHECK(wait >= 1);
  }
  std::this_thread::sleep_for(std::chrono::seconds{wait});
  CHECK(batch(shop, 6).status == 200);
  // The purchases would pass, the use does not: nothing happens and nothing is taken.
  CHECK(batch(shop, 0, 1).status == 200);
  std::this_thread::sleep_for(std::chrono::seconds{4});
  for (int i = 0; i < 5; ++i) {
    const auto refused = batch(shop, 4, 1);
    CHECK(refused.status == 429);
    CHECK(refused.header("RateLimit-Policy") == "\"use-user\";q=1;w=3600");
  }
  CHECK(batch(shop, 4).status == 200);
  // Of the address's 20 there are 4 left: 6 + 6 + 4 were taken.
  std::this_thread::sleep_for(std::chrono::seconds{5});
  CHECK(singles(shop) == 4);
  CHECK(test::audit(shop.db).empty());
}

TEST_CASE("a batch of more operations than a limit ever allows at once is told so, and takes nothing") {
  test::shop shop{{{"COFFER_LIMIT_PURCHASE", "user:10/1m,address:12/1s"}, {"COFFER_LIMIT_USE", "user:2/1h"}}};
  for (int i = 0; i < 3; ++i) {
    const auto refused = batch(shop, 13, 3);
    CHECK(refused.status == 422);
    CHECK(!refused.header("Retry-After"));
    const auto body = refused.json();
    CHECK(body["code"] == "validation_failed");
    REQUIRE(body["errors"].size() == 3);
    const auto first = body["errors"][0];
    CHECK(first["pointer"] == "#/operations");
    CHECK(first["code"] == "exceeds_limit");
    CHECK(first["detail"] ==
          "must hold at most 10 operations that count as purchase: the limit purchase-user allows 10 at once and no "
          "more");
    CHECK(first["params"]["maximum"] == 10);
    CHECK(first["params"]["actual"] == 13);
    CHECK(first["params"]["window"] == 60);
    CHECK(body["errors"][1]["params"]["maximum"] == 12);
    CHECK(body["errors"][2]["params"]["maximum"] == 2);
  }
  CHECK(batch(shop, 11).status == 422);
  CHECK(batch(shop, 10).status == 200);
  CHECK(batch(shop, 1).status == 429);
  CHECK(test::balance_of(shop.client, shop.user) == 990);
  CHECK(test::audit(shop.db).empty());
}
