// POST /batch: several operations of one user, each for itself or all or nothing.
#include <chrono>
#include <thread>

#include "support/catch.hpp"
#include "support/parallel.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

std::string purchase(std::int64_t product, std::int64_t quantity = 1, const std::string& key = "") {
  return fmt::format(R"({{"op":"purchase","product_id":{},"quantity":{}{}}})", product, quantity,
                     key.empty() ? "" : ",\"idempotency_key\":\"" + key + "\"");
}

std::string use(std::int64_t product, std::int64_t quantity = 1, const std::string& key = "") {
  return fmt::format(R"({{"op":"use","product_id":{},"quantity":{}{}}})", product, quantity,
                     key.empty() ? "" : ",\"idempotency_key\":\"" + key + "\"");
}

std::string add_funds(std::int64_t amount, const std::string& key) {
  return fmt::format(R"({{"op":"add_funds","amount":{},"idempotency_key":"{}"}})", amount, key);
}

std::string body_of(std::int64_t user, bool atomic, const std::vector<std::string>& operations) {
  std::string list;
  for (const std::string& o : operations) {
    list += (list.empty() ? "" : ",") + o;
  }
  return fmt::format(R"({{"user_id":{},"atomic":{},"operations":[{}]}})", user, atomic, list);
}

test::http_response batch(test::http_client& client, std::int64_t user, bool atomic,
                          const std::vector<std::string>& operations) {
  return client.post("/batch", body_of(user, atomic, operations));
}

}  // namespace

TEST_CASE("operations of a batch are decided in order, each like the single request") {
  test::shop shop;
  const auto answer = batch(shop.client, shop.user, false,
                            {purchase(shop.product, 3), use(shop.product, 2), purchase(shop.product, 999),
                             purchase(777), add_funds(10, "more"), use(shop.product, 2)});
  REQUIRE(answer.status == 200);
  const auto all = answer.json();
  CHECK(all["user_id"] == shop.user);
  CHECK(all["completed"] == 3);
  REQUIRE(all["operations"].size() == 6);
  CHECK(all["operations"][0]["status"] == 201);
  CHECK(all["operations"][0]["receipt"]["balance"] == 997);
  CHECK(all["operations"][1]["receipt"]["item"]["quantity"] == 1);
  CHECK(all["operations"][2]["status"] == 402);
  CHECK(all["operations"][2]["problem"]["code"] == "insufficient_funds");
  CHECK(all["operations"][2]["transaction"]["version"] == 4);
  CHECK(all["operations"][3]["status"] == 404);
  CHECK(all["operations"][3]["problem"]["code"] == "product_not_found");
  CHECK(all["operations"][4]["receipt"]["balance"] == 1007);
  CHECK(all["operations"][5]["problem"]["code"] == "not_enough_items");
  CHECK(test::balance_of(shop.client, shop.user) == 1007);
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("an atomic batch happens as a whole") {
  test::shop shop;
  const auto all =
      batch(shop.client, shop.user, true, {purchase(shop.product, 3), use(shop.product, 1), purchase(shop.product)})
          .json();
  CHECK(all["completed"] == 3);
  CHECK(all["atomic"].boolean());
  CHECK(all["operations"][2]["receipt"]["version"] == 4);
  CHECK(test::owned_units(shop.client, shop.user, shop.product) == 3);
  CHECK(shop.db.integer("select count(distinct xmin::text) from transactions where version > 1") == 1);
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("a refused operation makes an atomic batch not happen, and is all that is recorded") {
  test::shop shop;
  const auto all = batch(shop.client, shop.user, true,
                         {purchase(shop.product, 400), purchase(shop.product, 700), use(shop.product, 1)})
                       .json();
  CHECK(all["completed"] == 0);
  CHECK(all["operations"][0]["status"] == 424);
  CHECK(all["operations"][0]["problem"]["code"] == "not_executed");
  CHECK_FALSE(all["operations"][0].contains("transaction"));
  CHECK(all["operations"][1]["status"] == 402);
  CHECK(all["operations"][1]["problem"]["required"] == 700);
  CHECK(all["operations"][1]["problem"]["available"] == 600);
  CHECK(all["operations"][1]["transaction"]["amount"] == 700);
  CHECK(all["operations"][1]["transaction"]["quantity"] == 700);
  CHECK(all["operations"][1]["transaction"]["balance_after"] == 1000);
  CHECK(all["operations"][2]["problem"]["code"] == "not_executed");
  CHECK(test::balance_of(shop.client, shop.user) == 1000);
  CHECK(test::owned_units(shop.client, shop.user, shop.product) == 0);
  CHECK(shop.db.integer("select version from users where id = $1", {std::to_string(shop.user)}) == 2);
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("keys of a batch are the keys of the single requests") {
  test::shop shop;
  const auto single = shop.buy(2, "one");
  REQUIRE(single.status == 201);
  const bool atomic = GENERATE(false, true);
  CAPTURE(atomic);
  const std::vector<std::string> operations{purchase(shop.product, 2, "one"), purchase(shop.product, 1, "two"),
                                            purchase(shop.product, 1, "two"), add_funds(5, "three")};
  const auto first = batch(shop.client, shop.user, atomic, operations).json();
  CHECK(first["completed"] == 4);
  CHECK(first["operations"][0]["replayed"].boolean());
  CHECK(first["operations"][0]["receipt"].dump() == single.json().dump());
  CHECK_FALSE(first["operations"][1]["replayed"].boolean());
  CHECK(first["operations"][2]["replayed"].boolean());
  const auto second = batch(shop.client, shop.user, atomic, operations).json();
  for (int i = 0; i < 4; ++i) {
    CHECK(second["operations"][i]["replayed"].boolean());
    CHECK(second["operations"][i]["receipt"].dump() == first["operations"][i]["receipt"].dump());
  }
  CHECK(shop.buy(1, "two").header("Idempotent-Replayed") == "true");
  CHECK(test::balance_of(shop.client, shop.user) == 1002);
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("a refused atomic batch stays refused, and its other keys stay free") {
  test::shop shop;
  const std::vector<std::string> operations{purchase(shop.product, 10, "a"), purchase(shop.product, 1000, "b")};
  const auto first = batch(shop.client, shop.user, true, operations).json();
  REQUIRE(first["operations"][1]["status"] == 402);
  REQUIRE(test::deposit(shop.client, shop.user, 100'000, "rich").status == 201);
  const auto second = batch(shop.client, shop.user, true, operations).json();
  CHECK(second["operations"][0]["problem"]["code"] == "not_executed");
  CHECK(second["operations"][1]["problem"].dump() == first["operations"][1]["problem"].dump());
  CHECK(second["operations"][1]["replayed"].boolean());
  CHECK(shop.client.get(fmt::format("/users/{}/operations/a", shop.user)).code() == "transaction_not_found");
  CHECK(shop.buy(10, "a").status == 201);
  const auto reused =
      batch(shop.client, shop.user, true, {purchase(shop.product, 1, "c"), purchase(shop.product, 7, "a")});
  CHECK(reused.json()["operations"][0]["status"] == 424);
  CHECK(reused.json()["operations"][1]["problem"]["code"] == "idempotency_key_reused");
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("a batch is checked as a whole before anything happens") {
  test::shop shop;
  const auto post = [&](const std::string& body, const test::header_list& headers = {}) {
    return shop.client.post("/batch", body, headers);
  };
  const auto bad = post(
      fmt::format(R"({{"user_id":{},"operations":[{{"op":"purchase","product_id":0}},{{"op":"add_funds","amount":5}},)"
                  R"({{"op":"steal"}},7,{{"op":"use","product_id":1,"idempotency_key":"a b"}}]}})",
                  shop.user));
  CHECK(bad.status == 422);
  std::vector<std::string> pointers;
  const auto refusal = bad.json();
  for (const auto& each : refusal["errors"].elements()) {
    pointers.push_back(each["pointer"].text() + " " + each["code"].text());
  }
  CHECK(pointers == std::vector<std::string>{"#/operations/0/product_id greater_than",
                                             "#/operations/1/idempotency_key required", "#/operations/2/op enum",
                                             "#/operations/2/product_id required", "#/operations/3 type",
                                             "#/operations/4/idempotency_key pattern"});
  CHECK(post(R"({"user_id":1,"operations":[]})").json()["errors"][0]["code"] == "min_items");
  CHECK(post(R"({"user_id":1,"operations":{}})").json()["errors"][0]["code"] == "type");
  CHECK(post(R"({"user_id":1})").json()["errors"][0]["code"] == "required");
  CHECK(post(body_of(shop.user, false, std::vector<std::string>(101, use(1)))).json()["errors"][0]["code"] ==
        "max_items");
  const auto half = body_of(shop.user, true, {purchase(shop.product, 1, "k"), purchase(shop.product)});
  CHECK(post(half).json()["errors"][0]["code"] == "all_or_no_keys");
  CHECK(post(body_of(shop.user, true, {use(1)}), test::key("k")).code() == "invalid_idempotency_key");
  CHECK(post(body_of(99999, false, {use(1), use(2)})).code() == "user_not_found");
  CHECK(post(body_of(99999, true, {use(1), use(2)})).code() == "user_not_found");
  CHECK(shop.db.integer("select version from users where id = $1", {std::to_string(shop.user)}) == 1);
}

TEST_CASE("a hundred operations with long keys are one batch, also where batches are small") {
  test::shop shop{{{"COFFER_MAX_BATCH", "16"}, {"COFFER_MAX_BODY", "65536"}}};
  std::vector<std::string> operations;
  for (int i = 0; i < 100; ++i) {
    operations.push_back(purchase(shop.product, 1, fmt::format("{:0255}", i)));
  }
  const auto all = batch(shop.client, shop.user, true, operations).json();
  CHECK(all["completed"] == 100);
  CHECK(shop.db.integer("select count(distinct xmin::text) from transactions where version > 1") == 1);
  CHECK(test::balance_of(shop.client, shop.user) == 900);
}

TEST_CASE("a hundred operations with keys as clients make them fit into a body") {
  test::shop shop;
  std::vector<std::string> operations;
  for (int i = 0; i < 100; ++i) {
    operations.push_back(purchase(shop.product, 1, fmt::format("0f7c5b1e-3c0d-4a55-9d8e-{:012}", i)));
  }
  CHECK(batch(shop.client, shop.user, false, operations).json()["completed"] == 100);
}

TEST_CASE("an atomic batch that the database refuses fails as a whole and alone") {
  test::shop shop;
  shop.db.query("alter table transactions add constraint poison check (quantity <> 777)");
  test::sql_session& sql = shop.db.sql();
  // While this session holds the row, a first command waits in the database and the others gather behind it.
  sql.query("begin");
  sql.query("select 1 from users where id = $1 for update", {std::to_string(shop.user)});
  std::vector<test::http_response> answers(6);
  {
    std::jthread clients{[&] {
      test::parallel(6, [&](std::size_t i) {
        auto client = shop.server.client();
        answers[i] = i == 3 ? batch(client, shop.user, true, {purchase(shop.product, 5), purchase(shop.product, 777)})
                            : test::buy(client, shop.user, shop.product);
      });
    }};
    std::this_thread::sleep_for(std::chrono::milliseconds{300});
    sql.query("commit");
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    CAPTURE(i);
    CHECK(answers[i].status == (i == 3 ? 500 : 201));
  }
  CHECK(answers[3].code() == "internal");
  CHECK(test::owned_units(shop.client, shop.user, shop.product) == 5);
  CHECK(test::balance_of(shop.client, shop.user) == 995);
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("atomic batches among parallel purchases happen wholly or not at all") {
  const int processes = GENERATE(1, 2);
  CAPTURE(processes);
  test::shop shop{{{"COFFER_MAX_BATCH", "8"}}, 300};
  std::optional<test::server_process> second;
  if (processes == 2) {
    second.emplace(shop.db);
  }
  // 12 batches of 10 and 12 times 20 single purchases want 360 credits; there are 300.
  const auto completed = test::parallel_map(24, [&](std::size_t i) {
    auto client = second && i % 4 < 2 ? second->client() : shop.server.client();
    if (i % 2 == 0) {
      const auto answer = batch(client, shop.user, true, std::vector<std::string>(10, purchase(shop.product)));
      return answer.json()["completed"].integer();
    }
    std::int64_t bought = 0;
    for (int n = 0; n < 20; ++n) {
      bought += test::buy(client, shop.user, shop.product).status == 201 ? 1 : 0;
    }
    return bought;
  });
  std::int64_t total = 0;
  for (std::size_t i = 0; i < completed.size(); ++i) {
    total += completed[i];
    if (i % 2 == 0) {
      CHECK((completed[i] == 0 || completed[i] == 10));
    }
  }
  CHECK(test::balance_of(shop.client, shop.user) == 300 - total);
  CHECK(test::owned_units(shop.client, shop.user, shop.product) == total);
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("a refused atomic batch shows numbers that fit together, and shows them again") {
  test::shop shop;
  REQUIRE(shop.buy(3).status == 201);
  const std::vector<std::string> operations{use(shop.product, 2, "a"), use(shop.product, 2, "b")};
  const auto first = batch(shop.client, shop.user, true, operations).json();
  const auto& refused = first["operations"][1];
  CHECK(refused["problem"]["code"] == "not_enough_items");
  CHECK(refused["problem"]["required"] == 2);
  CHECK(refused["problem"]["available"] == 1);
  CHECK(refused["transaction"]["quantity"] == 2);
  CHECK(test::owned_units(shop.client, shop.user, shop.product) == 3);
  REQUIRE(shop.buy(10).status == 201);
  const auto again = batch(shop.client, shop.user, true, operations).json();
  CHECK(again["operations"][1]["replayed"].boolean());
  CHECK(again["operations"][1]["problem"].dump() == refused["problem"].dump());
  CHECK(again["operations"][1]["transaction"].dump() == refused["transaction"].dump());
  CHECK(test::run_coffer({"verify"}, {{"DATABASE_URL", shop.db.url()}}).exit_code == 0);
  CHECK(test::audit(shop.db) == "");
}
