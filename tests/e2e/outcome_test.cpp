// GET /users/{user_id}/operations/{idempotency_key}: what became of a request whose answer was lost.
#include <thread>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/fault_proxy.hpp"
#include "support/pg_environment.hpp"
#include "support/postgres_server.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

const test::environment impatient = {{"COFFER_REQUEST_TIMEOUT", "1500ms"}, {"COFFER_DATABASE_STATEMENT_TIMEOUT", "1s"}};

std::string path_of(std::int64_t user, const std::string& key) {
  return fmt::format("/users/{}/operations/{}", user, key);
}

/// What becomes of a key that is in progress at first.
test::http_response settled(test::http_client& client, std::int64_t user, const std::string& key) {
  test::http_response answer;
  const auto is_settled = [&] {
    answer = client.get(path_of(user, key));
    return answer.code() != "idempotency_in_progress";
  };
  CHECK(test::eventually(10s, is_settled));
  return answer;
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
    test::http_response asked;
    const auto is_known = [&] {
      asked = shop.client.get(path_of(shop.user, "slow"));
      return asked.code() != "transaction_not_found";
    };
    CHECK(test::eventually(2s, is_known));
    CHECK(asked.status == 409);
    CHECK(asked.code() == "idempotency_in_progress");
    CHECK(shop.client.get(path_of(shop.user, "other")).code() == "transaction_not_found");
    sql.query("commit");
  }
  CHECK(answer.status == 201);
  CHECK(shop.client.get(path_of(shop.user, "slow")).json()["receipt"].dump() == answer.json().dump());
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("a key whose commit may yet happen is in progress until it has, also after outcome_unknown") {
  const test::postgres_server postgres{{{"synchronous_standby_names", "absent"}, {"synchronous_commit", "local"}}};
  test::database db = test::database::on(postgres.url());
  db.query("insert into users (id, username, email, balance, version) values (1, 'u', 'u', 50, 1)");
  db.query(
      "insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, request_id)"
      " values (1, 1, 1, 2, 0, 50, 50, 'test')");
  db.query("insert into products (id, name, price, type) values (1, 'p', 5, 1)");
  test::environment waiting = impatient;
  waiting["DATABASE_URL"] = test::url_with(db.url(), {{"options", "-c synchronous_commit=on"}});
  const test::server_process server{db, waiting};
  auto client = server.client();
  CHECK(test::buy(client, 1, 1, 2, "slow").code() == "outcome_unknown");
  const auto asked = client.get(path_of(1, "slow"));
  CHECK(asked.status == 409);
  CHECK(asked.code() == "idempotency_in_progress");
  CHECK(client.get(path_of(1, "other")).code() == "transaction_not_found");
  CHECK(server.metric("coffer_lane_doubts") == 1);
  // Ended while it waits, the commit can be seen and may be on this server alone.
  db.query("select pg_terminate_backend(pid, 10000) from pg_stat_activity where wait_event = 'SyncRep'");
  REQUIRE(db.integer("select count(*) from transactions where idempotency_key = 'slow'") == 1);
  CHECK(client.get(path_of(1, "slow")).code() == "unavailable");
  CHECK(client.get(path_of(1, "slow")).code() == "idempotency_in_progress");
  postgres.set("synchronous_standby_names", "");
  const auto known = settled(client, 1, "slow");
  CHECK(known.status == 200);
  const auto retried = test::buy(client, 1, 1, 2, "slow");
  CHECK(retried.status == 201);
  CHECK(retried.header("Idempotent-Replayed") == "true");
  CHECK(known.json()["receipt"].dump() == retried.json().dump());
  CHECK(server.metric("coffer_lane_doubts") == 0);
  CHECK(test::audit(db) == "");
}

TEST_CASE("a key whose commit never came is found to be absent after outcome_unknown") {
  const test::server_address at = test::database_address();
  test::fault_proxy proxy{at.host, at.port};
  test::environment through = impatient;
  test::database db;
  through["DATABASE_URL"] = test::url_with(db.url(), proxy.keywords());
  const test::server_process server{db, through};
  auto client = server.client();
  const auto user = test::make_user(client, 100);
  const auto product = test::make_product(client, "consumable", 5);
  proxy.inject(test::fault_point::before_statement, "COMMIT", test::fault_action::cut);
  proxy.refuse();
  CHECK(test::buy(client, user, product, 1, "gone").code() == "outcome_unknown");
  proxy.heal();
  CHECK(settled(client, user, "gone").code() == "transaction_not_found");
  CHECK(test::buy(client, user, product, 1, "gone").status == 201);
  CHECK(client.get(path_of(user, "gone")).status == 200);
  CHECK(test::audit(db) == "");
}
