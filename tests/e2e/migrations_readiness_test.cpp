#include <algorithm>
#include <future>
#include <thread>

#include "coffer/app/migrations.hpp"
#include "support/catch.hpp"
#include "support/database.hpp"
#include "support/eventually.hpp"
#include "support/parallel.hpp"
#include "support/process.hpp"
#include "support/server_process.hpp"

using namespace coffer;

namespace {

/// Asks /readyz until it answers with `status` (a look counts for a second); gives the last answer.
test::http_response readyz(const test::server_process& server, int status) {
  test::http_response answer;
  const auto answers = [&] {
    answer = server.client().get("/readyz");
    return answer.status == status;
  };
  CHECK(test::eventually(std::chrono::seconds{15}, answers));
  return answer;
}

test::outcome healthcheck(const test::server_process& server) {
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + "/readyz";
  return test::run_coffer({"healthcheck", "--url", url});
}

}  // namespace

TEST_CASE("readers who wait for the database do not make the server look dead") {
  test::database db;
  test::server_process server{db,
                              {{"COFFER_THREADS", "1"},
                               {"COFFER_READ_POOL_SIZE", "1"},
                               {"COFFER_DATABASE_STATEMENT_TIMEOUT", "4s"},
                               {"COFFER_DATABASE_LOCK_TIMEOUT", "4s"}}};
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});  // an earlier look does not count any more
  test::sql_session holder{db.url()};
  holder.query("begin; lock table users in access exclusive mode");
  auto reading = std::async(std::launch::async, [&] {
    return test::parallel_map(4, [&](std::size_t) { return server.client().get("/users/1").status; });
  });
  const auto waiting = [&db] {
    return db.integer(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'");
  };
  REQUIRE(test::eventually(std::chrono::seconds{5}, [&] { return waiting() > 0; }));
  REQUIRE(waiting() == 1);
  CHECK(server.client().get("/readyz").status == 200);
  CHECK(waiting() == 1);
  holder.query("rollback");
  reading.get();
}

TEST_CASE("a crowd of probes is answered by one look at the database") {
  test::database db;
  test::server_process server{db, {{"COFFER_THREADS", "1"}, {"COFFER_DATABASE_LOCK_TIMEOUT", "2s"}}};
  test::sql_session holder{db.url()};
  holder.query("begin; lock table schema_migrations in access exclusive mode");
  readyz(server, 503);  // an earlier look does not count any more
  // A crowd may be answered by a look that has just ended; the next one meets one that waits.
  std::int64_t most = 0;
  for (int crowd = 0; crowd < 50 && most == 0; ++crowd) {
    const auto begun = std::chrono::steady_clock::now();
    auto probing = std::async(std::launch::async, [&] {
      return test::parallel_map(20, [&](std::size_t) { return server.client().get("/readyz").status; });
    });
    while (probing.wait_for(std::chrono::milliseconds{10}) != std::future_status::ready) {
      most = std::max(most, db.integer("select count(*) from pg_stat_activity where datname = current_database()"
                                       " and wait_event_type = 'Lock'"));
    }
    for (const int status : probing.get()) {
      CHECK(status == 503);
    }
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds{4});
    std::this_thread::sleep_for(std::chrono::milliseconds{70});
  }
  CHECK(most == 1);
  holder.query("rollback");
  CHECK(readyz(server, 200).status == 200);
}

TEST_CASE("a server whose schema is missing, newer or older is alive, not ready, and names the next command") {
  test::database db = test::database::empty();
  test::server_process server{db};
  auto answer = readyz(server, 503);
  CHECK(answer.status == 503);
  CHECK(test::says(answer.body, "no schema yet"));
  CHECK(test::says(answer.body, "coffer migrate up"));
  CHECK(answer.json()["database"] == "up");
  CHECK(answer.json()["schema"] == "missing");
  CHECK(server.client().get("/livez").status == 200);
  CHECK(server.metric("coffer_ready") == 0);
  const auto unhealthy = healthcheck(server);
  CHECK(unhealthy.exit_code == 1);
  CHECK(test::says(unhealthy.err,
                   "/readyz: HTTP/1.1 503 Service Unavailable: not ready (database up, schema missing, cache "));
  CHECK(test::says(unhealthy.err, "no schema yet: run `coffer migrate up`\n"));
  const auto line = server.wait_for_event("cannot serve");
  REQUIRE(line.has_value());
  CHECK((*line)["level"] == "error");
  CHECK((*line)["database"] == "up");
  CHECK((*line)["schema"] == "missing");
  CHECK(test::says((*line)["message"].text(), "coffer migrate up"));

  // Nothing was done, and the same may succeed later.
  auto client = server.client();
  for (const auto& refused : {client.get("/users/1"), client.get("/products"), client.get("/users/1/inventory"),
                              client.get("/analytics/popular-products"), client.get("/users/1/transactions"),
                              client.post("/users", R"({"username":"somebody","email":"u@example.org"})"),
                              client.post("/products", R"({"name":"p","price":1,"type":"consumable"})"),
                              client.post("/products/1/purchase", R"({"user_id":1})"),
                              client.post("/users/1/add-funds", R"({"amount":1})", {{"Idempotency-Key", "k"}})}) {
    CHECK(refused.status == 503);
    CHECK(refused.code() == "unavailable");
  }

  REQUIRE(test::run_coffer({"migrate", "up"}, {{"DATABASE_URL", db.url()}}).exit_code == 0);
  CHECK(readyz(server, 200).json()["schema"] == "ready");
  const auto healthy = healthcheck(server);
  CHECK(healthy.exit_code == 0);
  CHECK(test::says(healthy.out, "/readyz: HTTP/1.1 200 OK: ready (database up, schema ready, cache "));
  CHECK(server.wait_for_event("serving").has_value());
  CHECK(server.metric("coffer_ready") == 1);
  CHECK(client.get("/users/1").code() == "user_not_found");

  db.query("insert into schema_migrations values ('99990101000000')");
  answer = readyz(server, 503);
  CHECK(answer.status == 503);
  CHECK(test::says(answer.body, "99990101000000"));
  CHECK(answer.json()["schema"] == "newer");

  db.query("delete from schema_migrations where version = $1", {app::built_in_migrations().back().version});
  // Until the next look the answer is still the one about the newer schema.
  std::this_thread::sleep_for(std::chrono::milliseconds{1200});
  answer = readyz(server, 503);
  CHECK(answer.status == 503);
  CHECK(test::says(answer.body, "older than this binary"));
  CHECK(answer.json()["schema"] == "older");
  CHECK(server.stop() == 0);
}

TEST_CASE("a key that only the database knows is no reason for a 500 when its table is not there") {
  test::database db;
  const auto made =
      test::run_coffer({"key", "create", "--name", "shop", "--scopes", "admin"}, {{"DATABASE_URL", db.url()}});
  REQUIRE(made.exit_code == 0);
  db.query("alter table api_keys rename to hidden");
  test::server_process server{db, {{"COFFER_AUTH", "required"}}};
  const std::string key = made.out.substr(0, made.out.find('\n'));
  const auto answer = server.client().get("/users/1", {{"Authorization", "Bearer " + key}});
  CHECK(answer.status == 503);
  CHECK(answer.code() == "unavailable");
}
