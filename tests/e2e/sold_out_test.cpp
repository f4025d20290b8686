// A crowd before an empty shelf: turned away without a lock or a row, until the shelf is filled again.

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

constexpr const char* answered = "coffer_sold_out_answers_total";

/// A product of which nothing is left, which the server has just seen.
std::int64_t make_sold_out(test::shop& s) {
  const auto body =
      fmt::format(R"({{"name":"{}","price":1,"type":"consumable","stock":1}})", test::unique_word("drop"));
  const std::int64_t product = s.client.post("/products", body).json()["id"].integer();
  REQUIRE(test::buy(s.client, s.user, product).status == 201);
  REQUIRE(test::buy(s.client, s.user, product).status == 409);
  return product;
}

test::http_response restock(test::http_client& client, std::int64_t product) {
  return client.patch(fmt::format("/products/{}", product), R"({"stock":5})");
}

}  // namespace

TEST_CASE("a sold-out product is refused without its buyer's wallet and without a row") {
  test::shop s;
  const auto product = make_sold_out(s);
  const auto rows = s.db.integer("select count(*) from transactions");
  auto& holder = s.db.sql();
  holder.query("begin");
  holder.query(fmt::format("select from users where id = {} for update", s.user));
  const auto refused = test::buy(s.client, s.user, product, 3);
  holder.query("rollback");
  CHECK(refused.status == 409);
  CHECK(refused.json()["code"] == "sold_out");
  CHECK(refused.json()["requested"] == 3);
  CHECK(refused.json()["available"] == 0);
  CHECK(s.server.metric(answered) == 1);
  CHECK(s.db.integer("select count(*) from transactions") == rows);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("with a key the refusal of a sold-out product is recorded") {
  test::shop s;
  const auto product = make_sold_out(s);
  CHECK(test::buy(s.client, s.user, product, 1, "kept").json()["code"] == "sold_out");
  CHECK(s.server.metric(answered) == 0);
  REQUIRE(restock(s.client, product).status == 200);
  const auto again = test::buy(s.client, s.user, product, 1, "kept");
  CHECK(again.status == 409);
  CHECK(again.header("idempotent-replayed") == "true");
}

TEST_CASE("a restocked product sells at once, through another process within a second") {
  test::shop s;
  test::server_process other{s.db};
  auto elsewhere = other.client();
  const auto product = make_sold_out(s);
  REQUIRE(restock(s.client, product).status == 200);
  CHECK(test::buy(s.client, s.user, product, 5).status == 201);
  REQUIRE(test::buy(s.client, s.user, product).status == 409);
  REQUIRE(restock(elsewhere, product).status == 200);
  CHECK(test::eventually(1500ms, [&] { return test::buy(s.client, s.user, product).status == 201; }));
  CHECK(test::audit(s.db) == "");
}

namespace {

test::http_response run_batch(test::shop& s, bool atomic, const std::string& operations) {
  return s.client.post("/batch",
                       fmt::format(R"({{"user_id":{},"atomic":{},"operations":[{}]}})", s.user, atomic, operations));
}

std::string purchase_of(std::int64_t product) { return fmt::format(R"({{"op":"purchase","product_id":{}}})", product); }

}  // namespace

TEST_CASE("a purchase in a batch is refused from what is known to be sold out, and the others are decided") {
  test::shop s;
  const auto product = make_sold_out(s);
  const auto rows = s.db.integer("select count(*) from transactions");
  const auto answer = run_batch(s, false, purchase_of(product) + "," + purchase_of(s.product));
  REQUIRE(answer.status == 200);
  const auto operations = answer.json()["operations"];
  CHECK(operations.elements()[0]["status"] == 409);
  CHECK(operations.elements()[0]["problem"]["code"] == "sold_out");
  CHECK_FALSE(operations.elements()[0].contains("transaction"));
  CHECK(operations.elements()[1]["status"] == 201);
  CHECK(s.server.metric(answered) == 1);
  CHECK(s.db.integer("select count(*) from transactions") == rows + 1);
  const auto all = run_batch(s, true, purchase_of(s.product) + "," + purchase_of(product));
  REQUIRE(all.status == 200);
  CHECK(all.json()["operations"].elements()[0]["problem"]["code"] == "not_executed");
  CHECK(all.json()["operations"].elements()[1]["problem"]["code"] == "sold_out");
  CHECK(s.server.metric(answered) == 2);
  CHECK(s.db.integer("select count(*) from transactions") == rows + 1);
  // It hides no refusal of the whole batch.
  const auto nobody = s.client.post("/batch", fmt::format(R"({{"user_id":99999,"operations":[{},{}]}})",
                                                          purchase_of(product), purchase_of(s.product)));
  CHECK(nobody.status == 404);
  CHECK(nobody.code() == "user_not_found");
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("what a batch finds sold out is known to those who come behind") {
  test::shop s;
  const auto body =
      fmt::format(R"({{"name":"{}","price":1,"type":"consumable","stock":0}})", test::unique_word("drop"));
  const std::int64_t product = s.client.post("/products", body).json()["id"].integer();
  REQUIRE(run_batch(s, false, purchase_of(product)).json()["operations"].elements()[0]["status"] == 409);
  CHECK(s.server.metric(answered) == 0);
  CHECK(test::buy(s.client, s.user, product).status == 409);
  CHECK(s.server.metric(answered) == 1);
}

TEST_CASE("a batch that gives a piece back first is decided by the database") {
  test::shop s;
  const auto body =
      fmt::format(R"({{"name":"{}","price":1,"type":"consumable","stock":1}})", test::unique_word("drop"));
  const std::int64_t product = s.client.post("/products", body).json()["id"].integer();
  const auto bought = test::buy(s.client, s.user, product);
  REQUIRE(bought.status == 201);
  REQUIRE(test::buy(s.client, s.user, product).status == 409);
  const auto answer =
      run_batch(s, true,
                fmt::format(R"({{"op":"refund","version":{},"reason":"x"}},)", bought.json()["version"].integer()) +
                    purchase_of(product));
  REQUIRE(answer.status == 200);
  CHECK(answer.json()["operations"].elements()[1]["status"] == 201);
  CHECK(s.server.metric(answered) == 0);
  CHECK(test::audit(s.db) == "");
}
