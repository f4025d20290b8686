// The Idempotency section of the contract, over HTTP.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/parallel.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

TEST_CASE("one key fifty times in parallel has one effect and fifty identical answers") {
  test::database db;
  const int processes = GENERATE(1, 2);
  CAPTURE(processes);
  test::server_process first{db, {{"COFFER_THREADS", "2"}}};
  std::optional<test::server_process> second;
  if (processes == 2) {
    second.emplace(db);
  }
  auto admin = first.client();
  const auto user = test::make_user(admin, 1000);
  const auto product = test::make_product(admin, "consumable", 100);
  const auto answers = test::parallel_map(50, [&](std::size_t i) {
    auto client = second && i % 2 == 1 ? second->client() : first.client();
    return test::buy(client, user, product, 1, "the-key");
  });
  std::set<std::string> bodies;
  std::set<std::string> locations;
  for (const auto& a : answers) {
    CHECK(a.status == 201);
    bodies.insert(a.body);
    locations.insert(a.header("Location").value_or("none"));
  }
  CHECK(bodies.size() == 1);
  CHECK(locations.size() == 1);
  CHECK(std::count_if(answers.begin(), answers.end(), test::replayed) == 49);
  CHECK(test::balance_of(admin, user) == 900);
  CHECK(test::audit(db) == "");
}

TEST_CASE("a key with another body or operation is refused and nothing is executed") {
  test::database db;
  test::server_process server{db};
  auto client = server.client();
  const auto user = test::make_user(client, 1000);
  const auto product = test::make_product(client, "consumable", 100);
  const auto other = test::make_product(client, "consumable", 1);
  REQUIRE(test::buy(client, user, product, 1, "k").status == 201);
  for (const auto& answer : {test::buy(client, user, product, 2, "k"), test::buy(client, user, other, 1, "k"),
                             test::use(client, user, product, 1, "k"), test::deposit(client, user, 5, "k")}) {
    CHECK(answer.status == 422);
    CHECK(answer.code() == "idempotency_key_reused");
  }
  CHECK(test::balance_of(client, user) == 900);
  CHECK(db.integer("select version from users where id = $1", {std::to_string(user)}) == 2);
}

TEST_CASE("members in another order, with defaults written out, are the same request") {
  test::database db;
  test::server_process server{db};
  auto client = server.client();
  const auto user = test::make_user(client, 1000);
  const auto product = test::make_product(client, "consumable", 100);
  const auto target = fmt::format("/products/{}/purchase", product);
  const auto first = client.post(target, fmt::format(R"({{"user_id":{}}})", user), test::key("k"));
  const auto second =
      client.post(target, fmt::format(R"( {{ "quantity" : 1, "user_id":{} }} )", user), test::key("\"k\""));
  CHECK(first.status == 201);
  CHECK(second.status == 201);
  CHECK(test::replayed(second));
  CHECK(first.body == second.body);
}

TEST_CASE("a refused purchase stays refused after a deposit, word for word") {
  test::database db;
  test::server_process server{db};
  auto client = server.client();
  const auto user = test::make_user(client, 50);
  const auto product = test::make_product(client, "consumable", 100);
  const auto refused = test::buy(client, user, product, 1, "k");
  REQUIRE(refused.status == 402);
  CHECK(refused.json()["required"] == 100);
  CHECK(refused.json()["available"] == 50);
  REQUIRE(test::deposit(client, user, 1000, "more").status == 201);
  const auto again = test::buy(client, user, product, 1, "k");
  CHECK(again.status == 402);
  CHECK(test::replayed(again));
  CHECK(again.body == refused.body);
  CHECK(test::buy(client, user, product, 1, "another").status == 201);
}

TEST_CASE("the same key of another user is another key") {
  test::database db;
  test::server_process server{db};
  auto client = server.client();
  const auto product = test::make_product(client, "consumable", 100);
  for (int i = 0; i < 2; ++i) {
    const auto answer = test::buy(client, test::make_user(client, 100), product, 1, "shared");
    CHECK(answer.status == 201);
    CHECK(!test::replayed(answer));
  }
}

TEST_CASE("keys survive a restart of the server") {
  test::database db;
  test::server_process server{db};
  auto before = server.client();
  const auto user = test::make_user(before, 1000);
  const auto product = test::make_product(before, "consumable", 100);
  const auto first = test::buy(before, user, product, 1, "k");
  REQUIRE(server.stop() == 0);
  server.restart();
  auto after = server.client();
  const auto second = test::buy(after, user, product, 1, "k");
  CHECK(test::replayed(second));
  CHECK(first.body == second.body);
}

TEST_CASE("a deposit without a key, or with one that is no key, is refused") {
  test::database db;
  test::server_process server{db};
  auto client = server.client();
  const auto user = test::make_user(client);
  const auto target = fmt::format("/users/{}/add-funds", user);
  const auto missing = client.post(target, R"({"amount":5})");
  CHECK(missing.status == 400);
  CHECK(missing.code() == "idempotency_key_required");
  for (const std::string& bad :
       {std::string{}, std::string(256, 'k'), std::string{"caf\xc3\xa9"}, std::string{"a b"}}) {
    const auto answer = client.post(target, R"({"amount":5})", test::key(bad));
    CHECK(answer.status == 400);
    CHECK(answer.code() == (bad.empty() ? answer.code() : "invalid_idempotency_key"));
  }
  const auto longest = client.post(target, R"({"amount":5})", test::key(std::string(255, 'k')));
  CHECK(longest.status == 201);
  CHECK(test::balance_of(client, user) == 5);
}

TEST_CASE("requests that were never decided leave no key behind") {
  test::database db;
  test::server_process server{db};
  auto client = server.client();
  const auto user = test::make_user(client, 1000);
  const auto product = test::make_product(client, "consumable", 100);
  CHECK(client.post(fmt::format("/products/{}/purchase", product), "{", test::key("k")).status == 400);
  CHECK(client.post("/products/999999/purchase", fmt::format(R"({{"user_id":{}}})", user), test::key("k")).status ==
        404);
  CHECK(test::buy(client, user, product, 5000, "k").status == 422);
  const auto answer = test::buy(client, user, product, 1, "k");
  CHECK(answer.status == 201);
  CHECK(!test::replayed(answer));
}
