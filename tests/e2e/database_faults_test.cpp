// A PostgreSQL that breaks, seen over HTTP through a proxy: what is answered is true, and service comes back by itself.
#include <atomic>
#include <chrono>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/fault_proxy.hpp"
#include "support/json_value.hpp"
#include "support/parallel.hpp"
#include "support/pg_environment.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// A server that reaches its database through a proxy only.
struct proxied_shop {
  explicit proxied_shop(test::environment extra = {}) {
    extra["DATABASE_URL"] = test::url_with(db.url(), proxy.keywords());
    server.emplace(db, extra);
    client.emplace(server->client());
    user = test::make_user(*client, 1000);
    product = test::make_product(*client, "consumable", 1);
  }
  test::http_response buy(const std::optional<std::string>& key = std::nullopt) {
    return test::buy(*client, user, product, 1, key);
  }
  /// Buys until it works; false when that takes longer than `limit`.
  bool recovers(std::chrono::milliseconds limit = 10s) {
    return test::eventually(limit, [&] { return buy().status == 201; }, 50ms);
  }
  std::int64_t purchases() { return db.integer("select count(*) from transactions where kind = 2 and status = 2"); }
  /// What the database holds for a purchase with that key.
  std::int64_t purchases_of(const std::string& key) {
    return db.integer("select count(*) from transactions where kind = 2 and idempotency_key = $1", {key});
  }

  test::server_address at = test::database_address();
  test::fault_proxy proxy{at.host, at.port};
  test::database db;
  std::optional<test::server_process> server;
  std::optional<test::http_client> client;
  std::int64_t user = 0;
  std::int64_t product = 0;
};

bool is_retryable(const test::http_response& answer) {
  return answer.status == 503 && answer.header("Retry-After").has_value();
}

}  // namespace

TEST_CASE("database connections that are killed while nothing happens are never noticed") {
  proxied_shop s;
  REQUIRE(s.buy().status == 201);
  REQUIRE(s.client->get(fmt::format("/users/{}", s.user)).status == 200);
  SECTION("by the server") {
    s.db.query(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()");
  }
  SECTION("by the network") { s.proxy.cut_all(); }
  CHECK(s.client->get(fmt::format("/users/{}", s.user)).status == 200);
  CHECK(s.buy().status == 201);
  CHECK(s.purchases() == 2);
}

TEST_CASE("a connection killed in the middle of a batch costs a second attempt") {
  proxied_shop s;
  s.proxy.inject(test::fault_point::before_completion, "SELECT", test::fault_action::cut);
  CHECK(s.buy().status == 201);
  CHECK(s.proxy.injected() == 1);
  CHECK(s.purchases() == 1);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a commit whose answer is lost is answered with the truth") {
  proxied_shop s;
  const std::string key = test::unique_word("key");
  test::fault_point at = test::fault_point::before_completion;
  SECTION("after it happened") {}
  SECTION("on its way there") { at = test::fault_point::before_statement; }
  s.proxy.inject(at, "COMMIT", test::fault_action::cut);
  const auto answer = s.buy(key);
  CHECK(s.proxy.injected() == 1);
  CHECK(answer.status == 201);
  CHECK(s.purchases_of(key) == 1);
  const auto again = s.buy(key);
  CHECK(again.status == 201);
  CHECK(again.body == answer.body);
  CHECK(again.header("Idempotent-Replayed") == "true");
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a commit that cannot be settled in time is called unknown, and its key tells later") {
  proxied_shop s{{{"COFFER_REQUEST_TIMEOUT", "1500ms"}, {"COFFER_DATABASE_STATEMENT_TIMEOUT", "1s"}}};
  const std::string key = test::unique_word("key");
  bool committed = true;
  SECTION("it happened") { s.proxy.inject(test::fault_point::before_completion, "COMMIT", test::fault_action::cut); }
  SECTION("it did not happen") {
    committed = false;
    s.proxy.inject(test::fault_point::before_statement, "COMMIT", test::fault_action::cut);
  }
  s.proxy.refuse();
  const auto answer = s.buy(key);
  CHECK(answer.status == 503);
  CHECK(answer.code() == "outcome_unknown");
  CHECK(is_retryable(answer));
  CHECK(s.purchases_of(key) == (committed ? 1 : 0));
  s.proxy.heal();
  REQUIRE(s.recovers());
  const auto later = s.buy(key);
  CHECK(later.status == 201);
  CHECK(later.header("Idempotent-Replayed").has_value() == committed);
  CHECK(s.purchases_of(key) == 1);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a database that stalls is answered within the deadline and recovers") {
  proxied_shop s{{{"COFFER_REQUEST_TIMEOUT", "1s"}, {"COFFER_DATABASE_STATEMENT_TIMEOUT", "800ms"}}};
  REQUIRE(s.buy().status == 201);
  s.proxy.stall_all();
  const auto begin = std::chrono::steady_clock::now();
  const auto write = s.buy();
  const auto read = s.client->get(fmt::format("/users/{}", s.user));
  CHECK(std::chrono::steady_clock::now() - begin < 6s);
  CHECK(is_retryable(write));
  CHECK(is_retryable(read));
  CHECK(s.client->get("/livez").status == 200);
  s.proxy.cut_all();
  s.proxy.heal();
  CHECK(s.recovers());
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("an outage of the database is one line when it begins and one when it ends, whatever is asked meanwhile") {
  proxied_shop s{{{"COFFER_LOG_LEVEL", "info"}, {"COFFER_REQUEST_TIMEOUT", "1s"}}};
  REQUIRE(s.server->wait_for_event("serving").has_value());
  s.proxy.refuse();
  s.proxy.cut_all();
  int refused = 0;
  const auto ask = [&] {
    refused += is_retryable(s.client->get(fmt::format("/users/{}", s.user))) ? 1 : 0;
    s.client->get("/readyz");  // its line is of level debug
    refused += is_retryable(s.buy(test::unique_word("key"))) ? 1 : 0;
  };
  ask();
  const auto begins = s.server->wait_for_event("cannot serve");
  REQUIRE(begins.has_value());
  CHECK((*begins)["level"] == "error");
  CHECK((*begins)["database"] == "down");
  CHECK((*begins)["schema"] == "unknown");
  CHECK((*begins)["message"].text().find("check that it runs and DATABASE_URL points to it") != std::string::npos);
  CHECK(s.server->metric("coffer_ready") == 0);
  for (int i = 0; i < 3; ++i) {
    ask();
  }
  s.proxy.accept_again();
  REQUIRE(s.recovers());
  REQUIRE(test::eventually(10s, [&] { return s.server->log().find("\"trouble_ms\"") != std::string::npos; }));
  CHECK(s.server->metric("coffer_ready") == 1);
  CHECK(s.server->stop() == 0);
  std::map<std::string, int> events;
  int warned = 0;
  std::istringstream lines{s.server->log()};
  for (std::string text; std::getline(lines, text);) {
    const auto line = test::json_value::parse(text);
    const std::string event = line["event"].text();
    ++events[event];
    if (event == "serving" && line.contains("trouble_ms")) {
      CHECK(line["failed_attempts"].integer() > 0);
    }
    if (event.ends_with("request") && line["status"].integer() >= 500) {
      ++warned;
      CHECK(line["level"] == "warn");
      CHECK((line["code"] == "unavailable" || line["code"] == "outcome_unknown"));
    }
  }
  CHECK(refused > 0);
  CHECK(warned >= refused);
  CHECK(events["cannot serve"] == 1);
  CHECK(events["serving"] == 2);
  for (const char* attempt : {"pg_connect_failed", "batch attempt failed", "database failure"}) {
    CAPTURE(attempt);
    CHECK(events[attempt] == 0);
  }
}

TEST_CASE("a server starts without its database, says so, and is ready when it comes") {
  test::database db;
  const test::server_address at = test::database_address();
  test::fault_proxy proxy{at.host, at.port};
  proxy.refuse();
  test::server_process server{db, {{"DATABASE_URL", test::url_with(db.url(), proxy.keywords())}}};
  auto client = server.client();
  CHECK(client.get("/livez").status == 200);
  CHECK(client.get("/readyz").status == 503);
  CHECK(is_retryable(client.get("/users/1")));
  CHECK(is_retryable(client.post("/products/1/purchase", R"({"user_id":1})")));
  proxy.accept_again();
  CHECK(test::eventually(10s, [&] { return client.get("/readyz").status == 200; }, 50ms));
  CHECK(client.get("/readyz").status == 200);
  CHECK(client.get("/users/1").code() == "user_not_found");
}

TEST_CASE("sessions that are terminated again and again under load lose and double nothing") {
  test::shop s{{{"COFFER_THREADS", "2"}}, 1'000'000};
  const std::string word = test::unique_word("key");
  std::atomic<bool> done = false;
  std::jthread killer{[&] {
    test::sql_session admin{s.db.url()};
    // So many and no more: on a machine too busy to connect between two of them, nobody would ever get through.
    for (int i = 0; i < 40 && !done; ++i) {
      admin.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
          " and pid <> pg_backend_pid() and query not like '%pg_stat_activity%'");
      std::this_thread::sleep_for(50ms);
    }
  }};
  const auto bought = test::parallel_map(8, [&](std::size_t i) {
    auto client = s.server.client();
    int count = 0;
    for (int n = 0; n < 40; ++n) {
      const auto key = fmt::format("{}-{}-{}", word, i, n);
      for (int attempt = 0; attempt < 200; ++attempt) {
        if (test::buy(client, s.user, s.product, 1, key).status == 201) {
          ++count;
          break;
        }
      }
    }
    return count;
  });
  done = true;
  killer.join();
  CHECK(bought == std::vector<int>(8, 40));
  CHECK(s.db.integer("select count(*) from transactions where kind = 2") == 320);
  CHECK(test::audit(s.db) == "");
}
