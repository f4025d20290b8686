// GET /users/{user_id}/operations/{idempotency_key}: what became of a request whose answer was lost.
#include <thread>

#include "support/catch.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

std::string path_of(std::int64_t user, const std::string& key) {
  return fmt::format("/users/{}/operations/{}", user, key);
}

}  // namespace

TEST_CASE("the outcome of a key is the answer that a retry would get") {
  test::shop shop;
  const auto bought = shop.buy(3, "k-1");
  const auto refused = shop.buy(1000, "no/funds?%");
  REQUIRE(bought.status == 201);
  REQUIRE(refused.status == 402);
  const auto done = shop.client.get(path_of(shop.user, "k-1"));
  CHECK(done.status == 200);
  CHECK(done.body == fmt::format(R"({{"status":201,"receipt":{}}})", bought.body));
  CHECK(shop.client.get(path_of(shop.user, "%22k-1%22")).body == done.body);
  const auto failed = shop.client.get(path_of(shop.user, "no%2Ffunds%3F%25"));
  CHECK(failed.status == 200);
  CHECK(failed.json()["status"] == 402);
  CHECK(failed.json()["problem"].dump() == refused.json().dump());
  CHECK(failed.json()["transaction"]["reason"] == "insufficient_funds");
  CHECK(failed.json()["transaction"]["version"] == 3);
}

TEST_CASE("keys, users and outcomes that are not there are told apart") {
  test::shop shop;
  const auto other = test::make_user(shop.client);
  REQUIRE(shop.buy(1, "mine").status == 201);
  CHECK(shop.client.get(path_of(shop.user, "never")).code() == "transaction_not_found");
  CHECK(shop.client.get(path_of(other, "mine")).code() == "transaction_not_found");
  CHECK(shop.client.get(path_of(99999, "mine")).code() == "user_not_found");
  CHECK(shop.client.get(path_of(shop.user, "a%20b")).code() == "invalid_idempotency_key");
  CHECK(shop.client.get(path_of(shop.user, std::string(256, 'k'))).code() == "invalid_idempotency_key");
  CHECK(shop.client.get(path_of(shop.user, std::string(255, 'k'))).code() == "transaction_not_found");
}

TEST_CASE("a key that is being processed is in progress, not absent") {
  const std::string threads = GENERATE("1", "2");
  CAPTURE(threads);
  test::shop shop{{{"COFFER_THREADS", threads}}};
  // The batch waits for the user's row, which this session holds.
  test::sql_session& sql = shop.db.sql();
  sql.query("begin");
  sql.query("select 1 from users where id = $1 for update", {std::to_string(shop.user)});
  test::http_response answer;
  {
    std::jthread buyer{[&] {
      auto client = shop.server.client();
      answer = test::buy(client, shop.user, shop.product, 1, "slow");
    }};
    auto asked = shop.client.get(path_of(shop.user, "slow"));
    for (int i = 0; i < 200 && asked.code() == "transaction_not_found"; ++i) {
      std::this_thread::sleep_for(5ms);
      asked = shop.client.get(path_of(shop.user, "slow"));
    }
    CHECK(asked.status == 409);
    CHECK(asked.code() == "idempotency_in_progress");
    CHECK(shop.client.get(path_of(shop.user, "other")).code() == "transaction_not_found");
    sql.query("commit");
  }
  CHECK(answer.status == 201);
  CHECK(shop.client.get(path_of(shop.user, "slow")).json()["receipt"].dump() == answer.json().dump());
  CHECK(test::audit(shop.db) == "");
}
