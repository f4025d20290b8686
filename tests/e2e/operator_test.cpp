// Grants and refunds over HTTP: each unit once whatever races, replays, and books that stay provable.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/parallel.hpp"
#include "support/process.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

test::header_list keyed(const std::optional<std::string>& key) { return key ? test::key(*key) : test::header_list{}; }

test::http_response grant(test::http_client& client, std::int64_t user, const std::string& members,
                          const std::optional<std::string>& key = std::nullopt) {
  return client.post(fmt::format("/users/{}/grants", user), fmt::format(R"({{{},"reason":"a gift"}})", members),
                     keyed(key));
}

test::http_response refund(test::http_client& client, std::int64_t user, std::int64_t version,
                           const std::string& members = {}, const std::optional<std::string>& key = std::nullopt) {
  return client.post(fmt::format("/users/{}/transactions/{}/refund", user, version),
                     fmt::format(R"({{"reason":"by accident"{}}})", members.empty() ? "" : "," + members), keyed(key));
}

/// Both opinions on the books: the tests' own and the program's.
std::string books(test::database& db) {
  const auto run = test::run_coffer({"verify"}, {{"DATABASE_URL", db.url()}});
  return test::audit(db) + (run.exit_code == 0 ? "" : run.out);
}

std::int64_t version_of(const test::http_response& receipt) { return receipt.json()["version"].integer(); }

}  // namespace

TEST_CASE("credits are granted and taken, and the receipt says why") {
  test::shop s;
  const auto given = grant(s.client, s.user, R"("credits":250)", "g1");
  REQUIRE(given.status == 201);
  const auto row = given.json()["transaction"];
  CHECK(row["kind"] == "grant");
  CHECK(row["direction"] == "give");
  CHECK(row["note"] == "a gift");
  CHECK(row["reason"].is_null());
  CHECK(given.json()["balance"] == 1250);
  CHECK(given.header("location") == fmt::format("/users/{}/transactions/2", s.user));
  const auto again = grant(s.client, s.user, R"("credits":250)", "g1");
  CHECK(again.header("idempotent-replayed") == "true");
  CHECK(again.body == given.body);
  CHECK(grant(s.client, s.user, R"("credits":251)", "g1").status == 422);
  const auto taken = grant(s.client, s.user, R"("credits":-1250)");
  CHECK(taken.json()["transaction"]["direction"] == "take");
  CHECK(taken.json()["transaction"]["amount"] == 1250);
  const auto refused = grant(s.client, s.user, R"("credits":-1)", "empty");
  CHECK(refused.status == 402);
  CHECK(refused.json()["available"] == 0);
  CHECK(grant(s.client, s.user, R"("credits":-1)", "empty").body == refused.body);
  const auto read = s.client.get(fmt::format("/users/{}/transactions/2", s.user));
  CHECK(read.json()["note"] == "a gift");
  CHECK(read.json()["direction"] == "give");
  CHECK(books(s.db) == "");
}

TEST_CASE("items are granted and taken") {
  test::shop s;
  const auto item = [&s](std::int64_t quantity) {
    return grant(s.client, s.user, fmt::format(R"("product_id":{},"quantity":{})", s.product, quantity));
  };
  CHECK(item(4).json()["item"]["quantity"] == 4);
  CHECK(test::use(s.client, s.user, s.product, 1).status == 201);
  CHECK(item(-3).json()["item"]["quantity"] == 0);
  CHECK(item(-1).json()["code"] == "not_enough_items");
  CHECK(test::balance_of(s.client, s.user) == 1000);
  const auto crown = test::make_product(s.client, "permanent", 5);
  const auto members = fmt::format(R"("product_id":{},"quantity":1)", crown);
  CHECK(grant(s.client, s.user, members).status == 201);
  CHECK(grant(s.client, s.user, members).json()["code"] == "already_owned");
  CHECK(test::buy(s.client, s.user, crown).json()["code"] == "already_owned");
  CHECK(grant(s.client, s.user, R"("product_id":999,"quantity":1)").json()["code"] == "product_not_found");
  CHECK(grant(s.client, 999, R"("credits":1)").json()["code"] == "user_not_found");
  CHECK(books(s.db) == "");
}

TEST_CASE("a grant that says too little or too much is refused with every rule") {
  test::shop s;
  const auto path = fmt::format("/users/{}/grants", s.user);
  const auto errors = [&](const std::string& body) {
    const auto answer = s.client.post(path, body);
    CHECK(answer.status == 422);
    std::string all;
    const auto problem = answer.json();
    for (const auto& e : problem["errors"].elements()) {
      all += e["pointer"].text() + " " + e["code"].text() + "; ";
    }
    return all;
  };
  CHECK(errors("{}") == "#/reason required; ");
  CHECK(errors(R"({"reason":"x"})") == "#/credits one_of; ");
  CHECK(errors(R"({"reason":"x","credits":0})") == "#/credits not_zero; ");
  CHECK(errors(R"({"reason":"x","credits":1,"product_id":1,"quantity":1})") == "#/credits one_of; ");
  CHECK(errors(R"({"reason":"x","product_id":1})") == "#/quantity required; ");
  CHECK(errors(R"({"reason":"","credits":"1"})") == "#/credits type; #/reason min_length; ");
}

TEST_CASE("a refund gives back what was paid, also after the price has changed") {
  test::shop s;
  const auto bought = s.buy(3);
  REQUIRE(s.client.patch(fmt::format("/products/{}", s.product), R"({"price":99,"is_active":false})").status == 200);
  const auto half = refund(s.client, s.user, version_of(bought), R"("quantity":2)", "r");
  REQUIRE(half.status == 201);
  const auto row = half.json()["transaction"];
  CHECK(row["kind"] == "refund");
  CHECK(row["refunded_version"] == version_of(bought));
  CHECK(row["missing"] == 0);
  CHECK(row["amount"] == 2);
  CHECK(half.json()["balance"] == 999);
  CHECK(half.json()["item"]["quantity"] == 1);
  CHECK(refund(s.client, s.user, version_of(bought), R"("quantity":2)", "r").body == half.body);
  CHECK(refund(s.client, s.user, version_of(bought)).json()["balance"] == 1000);
  const auto more = refund(s.client, s.user, version_of(bought), {}, "more");
  CHECK(more.status == 409);
  CHECK(more.json()["code"] == "already_refunded");
  CHECK(refund(s.client, s.user, version_of(bought), {}, "more").body == more.body);
  CHECK(books(s.db) == "");
}

TEST_CASE("what has been used up is refunded by force alone, and booked as missing") {
  test::shop s;
  const auto bought = version_of(s.buy(3));
  REQUIRE(test::use(s.client, s.user, s.product, 2).status == 201);
  const auto refused = refund(s.client, s.user, bought, R"("quantity":2)");
  CHECK(refused.status == 409);
  CHECK(refused.json()["code"] == "not_refundable");
  CHECK(refused.json()["requested"] == 2);
  CHECK(refused.json()["refundable"] == 1);
  const auto forced = refund(s.client, s.user, bought, R"("force":true)");
  REQUIRE(forced.status == 201);
  CHECK(forced.json()["transaction"]["quantity"] == 3);
  CHECK(forced.json()["transaction"]["missing"] == 2);
  CHECK(forced.json()["item"]["quantity"] == 0);
  CHECK(forced.json()["balance"] == 1000);
  CHECK(books(s.db) == "");
}

TEST_CASE("only completed purchases of the same user are refunded") {
  test::shop s;
  CHECK(grant(s.client, s.user, R"("credits":-1)").status == 201);
  const auto granted = refund(s.client, s.user, 2).json();
  CHECK(granted["code"] == "not_refundable");
  CHECK(granted["requested"] == 1);
  CHECK(granted["refundable"] == 0);
  REQUIRE(s.buy(999999).status == 422);
  REQUIRE(test::use(s.client, s.user, s.product).status == 409);
  CHECK(refund(s.client, s.user, 2).json()["code"] == "not_refundable");
  CHECK(refund(s.client, s.user, 77).json()["code"] == "transaction_not_found");
  CHECK(refund(s.client, 999, 1).json()["code"] == "transaction_not_found");
  CHECK(refund(s.client, s.user, 1, R"("quantity":0,"force":"yes")").json()["errors"].size() == 2);
  CHECK(books(s.db) == "");
}

TEST_CASE("a chargeback takes a deposit back, or what is left of it where that is allowed") {
  test::shop s;
  const auto whole = version_of(test::deposit(s.client, s.user, 300, "card-1"));
  const auto taken = refund(s.client, s.user, whole, {}, "chargeback-1");
  REQUIRE(taken.status == 201);
  CHECK(taken.json()["balance"] == 1000);
  CHECK(taken.json()["item"].is_null());
  const auto row = taken.json()["transaction"];
  CHECK(row["kind"] == "refund");
  CHECK(row["product_id"].is_null());
  CHECK(row["amount"] == 300);
  CHECK(row["quantity"] == 0);
  CHECK(row["refunded_version"] == whole);
  CHECK(row["missing"] == 0);
  CHECK(refund(s.client, s.user, whole, {}, "chargeback-1").body == taken.body);
  CHECK(refund(s.client, s.user, whole, R"("up_to":true)", "chargeback-1").json()["code"] == "idempotency_key_reused");
  CHECK(refund(s.client, s.user, whole, R"("up_to":true)").json()["code"] == "already_refunded");

  REQUIRE(s.buy(400).status == 201);
  const auto refused = refund(s.client, s.user, 1, {}, "chargeback-2");
  CHECK(refused.status == 409);
  CHECK(refused.json()["code"] == "not_refundable");
  CHECK(refused.json()["requested"] == 1000);
  CHECK(refused.json()["refundable"] == 600);
  CHECK(refund(s.client, s.user, 1, {}, "chargeback-2").body == refused.body);
  const auto rest = refund(s.client, s.user, 1, R"("up_to":true)", "chargeback-3").json();
  CHECK(rest["balance"] == 0);
  CHECK(rest["transaction"]["amount"] == 600);
  CHECK(rest["transaction"]["missing"] == 400);
  const auto later = version_of(test::deposit(s.client, s.user, 5, "card-2"));
  REQUIRE(s.buy(5).status == 201);
  const auto operations = fmt::format(
      R"({{"user_id":{},"operations":[{{"op":"refund","version":{},"up_to":true,"reason":"chargeback"}}]}})", s.user,
      later);
  CHECK(s.client.post("/batch", operations).json()["operations"][0]["receipt"]["transaction"]["missing"] == 5);
  const auto statement = s.client.get(fmt::format("/users/{}/statement", s.user)).json()["items"];
  CHECK(statement[2]["change"] == -300);
  CHECK(statement[6]["missing"] == 400);
  CHECK(statement[6]["change"] == -600);
  const auto csv = s.client.get(fmt::format("/users/{}/statement?format=csv", s.user)).body;
  CHECK(csv.find(",1,by accident,,400,") != std::string::npos);
  CHECK(books(s.db) == "");
}

TEST_CASE("what does not go with the transaction that is refunded is said, and nothing is done") {
  test::shop s;
  const auto bought = version_of(s.buy(2));
  const auto wrong = [&](std::int64_t version, const std::string& members) {
    const auto answer = refund(s.client, s.user, version, members);
    CHECK(answer.status == 422);
    const auto problem = answer.json();
    std::string all;
    for (const auto& e : problem["errors"].elements()) {
      all += e["pointer"].text() + " " + e["code"].text() + "; ";
    }
    return all;
  };
  CHECK(wrong(1, R"("quantity":1,"force":true)") == "#/quantity other_kind; #/force other_kind; ");
  CHECK(wrong(bought, R"("up_to":true)") == "#/up_to other_kind; ");
  const auto batch = fmt::format(
      R"({{"user_id":{},"operations":[{{"op":"refund","version":{},"up_to":true,"reason":"x"}}]}})", s.user, bought);
  CHECK(s.client.post("/batch", batch).json()["errors"][0]["pointer"] == "#/operations/0/up_to");
  CHECK(s.client.get(fmt::format("/users/{}", s.user)).json()["version"] == bought);
}

TEST_CASE("of many chargebacks that race purchases the deposit is taken back once") {
  test::shop s;
  test::server_process other{s.db};
  const auto statuses = test::parallel_map(24, [&](std::size_t i) {
    auto client = i % 2 == 0 ? s.server.client() : other.client();
    return i % 3 == 0 ? refund(client, s.user, 1, R"("up_to":true)").status
                      : test::buy(client, s.user, s.product, 60).status;
  });
  std::int64_t taken = 0;
  for (std::size_t i = 0; i < statuses.size(); i += 3) {
    taken += statuses[i] == 201 ? 1 : 0;
  }
  CHECK(taken == 1);
  CHECK(books(s.db) == "");
}

TEST_CASE("of many refunds of one purchase each unit is given back once") {
  const int threads = GENERATE(1, 2);
  test::shop s{{{"COFFER_THREADS", std::to_string(threads)}}};
  const auto bought = version_of(s.buy(7));
  const auto statuses = test::parallel_map(30, [&](std::size_t) {
    auto client = s.server.client();
    return refund(client, s.user, bought, R"("quantity":1)").status;
  });
  CHECK(std::count(statuses.begin(), statuses.end(), 201) == 7);
  CHECK(std::count(statuses.begin(), statuses.end(), 409) == 23);
  CHECK(test::balance_of(s.client, s.user) == 1000);
  CHECK(books(s.db) == "");
}

TEST_CASE("refunds that race uses through two processes give back what is left") {
  test::shop s;
  test::server_process other{s.db};
  const auto bought = version_of(s.buy(40));
  const auto moved = test::parallel_map(20, [&](std::size_t i) {
    auto client = i % 2 == 0 ? s.server.client() : other.client();
    std::int64_t units = 0;
    for (int n = 0; n < 4; ++n) {
      const auto answer =
          i % 4 < 2 ? refund(client, s.user, bought, R"("quantity":1)") : test::use(client, s.user, s.product);
      units += answer.status == 201 ? 1 : 0;
    }
    return units;
  });
  CHECK(std::accumulate(moved.begin(), moved.end(), std::int64_t{0}) == 40);
  CHECK(test::owned_units(s.client, s.user, s.product) == 0);
  CHECK(books(s.db) == "");
}

TEST_CASE("a refunded piece of a limited product is sold again, and counts for nobody's limit") {
  test::shop s;
  const auto made =
      s.client.post("/products", R"({"name":"limited","price":1,"type":"consumable","stock":2,"per_user_limit":2})");
  const auto product = made.json()["id"].integer();
  const auto bought = version_of(test::buy(s.client, s.user, product, 2));
  REQUIRE(test::buy(s.client, s.user, product).json()["code"] == "limit_reached");
  const auto friend_id = test::make_user(s.client, 10);
  REQUIRE(test::buy(s.client, friend_id, product).json()["code"] == "sold_out");
  REQUIRE(refund(s.client, s.user, bought, R"("quantity":1)").status == 201);
  CHECK(s.client.get(fmt::format("/products/{}", product)).json()["stock"] == 1);
  CHECK(test::buy(s.client, friend_id, product).status == 201);
  CHECK(test::buy(s.client, s.user, product).json()["code"] == "sold_out");
  CHECK(books(s.db) == "");
}

TEST_CASE("grants and refunds are operations of a batch") {
  test::shop s;
  const auto bought = version_of(s.buy(2));
  const auto operations = fmt::format(
      R"({{"user_id":{},"atomic":true,"operations":[{{"op":"refund","version":{},"reason":"swap"}},)"
      R"({{"op":"grant","product_id":{},"quantity":1,"reason":"swap"}},{{"op":"grant","credits":5,"reason":"swap"}}]}})",
      s.user, bought, s.product);
  const auto all = s.client.post("/batch", operations).json();
  CHECK(all["completed"] == 3);
  CHECK(all["operations"][2]["receipt"]["balance"] == 1005);
  const auto again = s.client.post("/batch", operations).json();
  CHECK(again["operations"][0]["problem"]["code"] == "already_refunded");
  CHECK(again["operations"][1]["status"] == 424);
  const auto missing =
      fmt::format(R"({{"user_id":{},"operations":[{{"op":"refund","version":99,"reason":"x"}}]}})", s.user);
  CHECK(s.client.post("/batch", missing).json()["code"] == "transaction_not_found");
  CHECK(books(s.db) == "");
}

TEST_CASE("the statement shows what was granted and refunded, and why") {
  test::shop s;
  REQUIRE(refund(s.client, s.user, version_of(s.buy(2))).status == 201);
  const auto statement = s.client.get(fmt::format("/users/{}/statement", s.user)).json();
  const auto last = statement["items"][2];
  CHECK(last["refunded_version"] == 2);
  CHECK(last["note"] == "by accident");
  CHECK(last["change"] == 2);
  CHECK(last["missing"] == 0);
  const auto bought = version_of(s.buy(2));
  REQUIRE(grant(s.client, s.user, fmt::format(R"("product_id":{},"quantity":-1)", s.product)).status == 201);
  REQUIRE(refund(s.client, s.user, bought, R"("force":true)").status == 201);
  const auto further = s.client.get(fmt::format("/users/{}/statement", s.user)).json()["items"];
  CHECK(further[4]["direction"] == "take");
  CHECK(further[4]["change"] == 0);
  CHECK(further[5]["missing"] == 1);
  const auto csv = s.client.get(fmt::format("/users/{}/statement?format=csv", s.user)).body;
  CHECK(csv.find(",2,by accident,,0,false,\r\n") != std::string::npos);
  CHECK(csv.find(",,a gift,take,,false,\r\n") != std::string::npos);
  CHECK(csv.find(",4,by accident,,1,false,\r\n") != std::string::npos);
}

TEST_CASE("falsified refunds are found") {
  test::shop s;
  REQUIRE(refund(s.client, s.user, version_of(s.buy(3)), R"("quantity":1)").status == 201);
  std::string rule = "refunds_are_of_purchases";
  const auto broken = [&] {
    const auto run = test::run_coffer({"verify", "--format", "json"}, {{"DATABASE_URL", s.db.url()}});
    return test::json_value::parse(run.out)["rules"][rule]["violations"].integer();
  };
  REQUIRE(broken() == 0);
  SECTION("units left with the user") {
    rule = "refund_misses_what_was_used_up";
    REQUIRE(broken() == 0);
    s.db.query("update transactions set detail_2 = 1, item_quantity_after = 3 where kind = 4");
    s.db.query("update inventory set quantity = 3");
  }
  SECTION("counted twice") { s.db.query("update refunds set units = 2"); }
  SECTION("not counted") { s.db.query("delete from refunds"); }
  SECTION("of another version") { s.db.query("update transactions set detail_1 = 1 where kind = 4"); }
  SECTION("taken off the sales of another hour") {
    rule = "refunded_sales_are_journal_sum";
    REQUIRE(broken() == 0);
    s.db.query("update refunded_sales set hour = hour - interval '1 hour', units = 2");
  }
  SECTION("at another price") { s.db.query("update transactions set amount = 2 where kind = 4"); }
  SECTION("more than was bought") {
    s.db.query("update transactions set quantity = 4, amount = 4 where kind = 4");
    s.db.query("update refunds set units = 4");
  }
  CHECK(broken() >= 1);
  CHECK(test::audit(s.db) != "");
}
