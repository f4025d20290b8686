// Limits on sensitive requests, in one process, in two, and without Redis.
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/credentials.hpp"
#include "support/parallel.hpp"
#include "support/redis_server.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

struct counts {
  int passed = 0;
  int limited = 0;
  int other = 0;
};

void count(counts& into, const test::http_response& answer) {
  (answer.status == 201 ? into.passed : answer.status == 429 ? into.limited : into.other) += 1;
}

counts buy_often(test::http_client& client, std::int64_t user, std::int64_t product, int times) {
  counts all;
  for (int i = 0; i < times; ++i) {
    count(all, test::buy(client, user, product));
  }
  return all;
}

}  // namespace

TEST_CASE("a user's purchases beyond the limit are refused, undone and said to be so") {
  test::shop shop{{{"COFFER_LIMIT_PURCHASE", "user:5/1h"}}};
  std::optional<test::http_response> last;
  for (int i = 0; i < 5; ++i) {
    const auto answer = shop.buy();
    CHECK(answer.status == 201);
    CHECK(answer.header("RateLimit-Policy") == "\"purchase-user\";q=5;w=3600");
    CHECK(answer.header("RateLimit").value_or("").starts_with(fmt::format("\"purchase-user\";r={};t=", 4 - i)));
  }
  const auto refused = shop.buy(1, "key-1");
  CHECK(refused.status == 429);
  const auto body = refused.json();
  CHECK(body["code"] == "rate_limited");
  CHECK(refused.header("Retry-After") == std::to_string(body["retry_after"].integer()));
  CHECK(body["retry_after"].integer() > 0);
  CHECK(body["retry_after"].integer() <= 720);
  CHECK(test::balance_of(shop.client, shop.user) == 995);
  CHECK(test::owned_units(shop.client, shop.user, shop.product) == 5);
  // Another user is not concerned, nor is another kind of request.
  const std::int64_t other = test::make_user(shop.client, 10);
  CHECK(test::buy(shop.client, other, shop.product).status == 201);
  CHECK(test::use(shop.client, shop.user, shop.product).status == 201);
  CHECK(shop.server.metric("coffer_limiter_refused_total{by=\"user\",class=\"purchase\"}") == 1);
  CHECK(test::audit(shop.db).empty());
}

TEST_CASE("a refusal for the rate is not recorded: the key is free for the retry") {
  test::shop shop{{{"COFFER_LIMIT_PURCHASE", "user:1/1s"}}};
  CHECK(shop.buy().status == 201);
  const auto refused = shop.buy(1, "again");
  CHECK(refused.status == 429);
  std::this_thread::sleep_for(std::chrono::seconds{refused.json()["retry_after"].integer()});
  const auto accepted = shop.buy(1, "again");
  CHECK(accepted.status == 201);
  CHECK(!accepted.header("Idempotent-Replayed"));
}

TEST_CASE("threads of a process share one count, exactly") {
  test::shop shop{{{"COFFER_LIMIT_PURCHASE", "user:100/1h"}, {"COFFER_THREADS", "2"}, {"REDIS_URL", "none"}}};
  counts all;
  std::mutex mutex;
  test::parallel(8, [&](std::size_t) {
    auto client = shop.server.client();
    const counts some = buy_often(client, shop.user, shop.product, 25);
    const std::lock_guard guard{mutex};
    all.passed += some.passed;
    all.limited += some.limited;
    all.other += some.other;
  });
  CHECK(all.passed == 100);
  CHECK(all.limited == 100);
  CHECK(test::balance_of(shop.client, shop.user) == 900);
}

TEST_CASE("two processes share a limit through Redis, and limit alone without it") {
  test::redis_server cache;
  const test::environment how = {
      {"COFFER_LIMIT_PURCHASE", "user:100/1h"}, {"REDIS_URL", cache.url()}, {"COFFER_REDIS_PREFIX", "shared:"}};
  test::shop shop{how};
  const test::server_process second{shop.db, how};
  auto other = second.client();
  int passed = 0;
  for (int round = 0; round < 30; ++round) {
    passed += buy_often(shop.client, shop.user, shop.product, 4).passed;
    passed += buy_often(other, shop.user, shop.product, 4).passed;
    std::this_thread::sleep_for(std::chrono::milliseconds{40});
  }
  // What one process let pass while the other had not heard of it: a round or two.
  CHECK(passed >= 100);
  CHECK(passed <= 112);
  cache.kill();
  const std::int64_t alone = test::make_user(shop.client, 1000);
  CHECK(buy_often(shop.client, alone, shop.product, 120).passed == 100);
  CHECK(test::audit(shop.db).empty());
}

TEST_CASE("an address is limited over all its connections") {
  test::shop shop{{{"COFFER_LIMIT_FUNDS", "address:3/1h"}}, 0};
  counts all;
  for (int i = 0; i < 6; ++i) {
    auto client = shop.server.client();
    count(all, test::deposit(client, shop.user, 1, fmt::format("d{}", i)));
  }
  CHECK(all.passed == 3);
  CHECK(all.limited == 3);
  CHECK(test::balance_of(shop.client, shop.user) == 3);
}

TEST_CASE("a player beyond a limit of their own takes nothing from the quota of the shop's key") {
  test::database db;
  const auto admin = test::bearer(test::make_key(db, "admin"));
  const auto shops = test::bearer(test::make_key(db, "funds:write purchases:write"));
  const test::server_process server{db, test::with_auth({{"COFFER_LIMIT_FUNDS", "user:1/1h,key:4/1h"},
                                                         {"COFFER_LIMIT_PURCHASE", "user:2/1h,key:6/1h"},
                                                         {"REDIS_URL", "none"}})};
  auto client = server.client();
  std::vector<std::int64_t> users;
  for (int i = 0; i < 5; ++i) {
    const std::string name = test::unique_word("player");
    const auto body = fmt::format(R"({{"username":"{0}","email":"{0}@example.com"}})", name);
    users.push_back(client.post("/users", body, admin).json()["id"].integer());
  }
  const std::int64_t product =
      client
          .post("/products",
                fmt::format(R"({{"name":"{}","price":1,"type":"consumable"}})", test::unique_word("potion")), admin)
          .json()["id"]
          .integer();
  // By the user of the path.
  const auto deposit = [&](std::size_t which) {
    test::header_list headers = test::key(test::unique_word("key"));
    headers.push_back(shops[0]);
    return client.post(fmt::format("/users/{}/add-funds", users[which]), R"({"amount":10})", headers);
  };
  for (int i = 0; i < 20; ++i) {
    const auto answer = deposit(0);
    CHECK(answer.status == (i == 0 ? 201 : 429));
    CHECK(answer.header("RateLimit").value_or("").starts_with("\"funds-user\";r=0;t="));
  }
  CHECK(deposit(1).status == 201);
  CHECK(deposit(2).status == 201);
  CHECK(deposit(3).status == 201);
  const auto used_up = deposit(4);
  CHECK(used_up.status == 429);
  CHECK(used_up.header("RateLimit").value_or("").starts_with("\"funds-key\";r=0;t="));
  // By the user whom the body names.
  const auto buy = [&](std::size_t which) {
    return client.post(fmt::format("/products/{}/purchase", product), fmt::format(R"({{"user_id":{}}})", users[which]),
                       shops);
  };
  for (int i = 0; i < 20; ++i) {
    CHECK(buy(0).status == (i < 2 ? 201 : 429));
  }
  for (int i = 0; i < 4; ++i) {
    const auto answer = buy(i < 2 ? 1 : 2);
    CHECK(answer.status == 201);
    CHECK(answer.header("RateLimit-Policy") == "\"purchase-user\";q=2;w=3600, \"purchase-key\";q=6;w=3600");
  }
  CHECK(buy(3).status == 429);
  CHECK(test::audit(db).empty());
}
