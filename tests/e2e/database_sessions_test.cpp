// Sessions of the reading pool that outlive what they were opened for, and writes whose first step is a read.
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/fault_proxy.hpp"
#include "support/parallel.hpp"
#include "support/pg_environment.hpp"
#include "support/postgres_server.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// Makes the server open `count` reading sessions, on each of which the statement for a user is prepared: as many
/// requests wait for a table at once. Gives how many of them failed.
int warm(test::server_process& server, const std::string& database_url, std::int64_t user, std::size_t count) {
  test::sql_session holder{database_url};
  holder.query("begin");
  holder.query("lock table users in access exclusive mode");
  std::jthread release{[&] {
    test::sql_session looking{database_url};
    const std::string waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    [[maybe_unused]] const bool all =
        test::eventually(5s, [&] { return looking.integer(waiting) >= static_cast<std::int64_t>(count); });
    holder.query("commit");
  }};
  const auto answers = test::parallel_map(
      count, [&](std::size_t) { return server.client().get(fmt::format("/users/{}", user)).status; });
  return static_cast<int>(std::count_if(answers.begin(), answers.end(), [](int status) { return status != 200; }));
}

/// Time enough for the table that warm() locks.
const test::environment patient{{"COFFER_DATABASE_LOCK_TIMEOUT", "8s"},
                                {"COFFER_DATABASE_STATEMENT_TIMEOUT", "8s"},
                                {"COFFER_REQUEST_TIMEOUT", "9s"},
                                {"COFFER_DATABASE_ACQUIRE_TIMEOUT", "5s"},
                                {"COFFER_THREADS", "1"}};

/// A database of the same name on two PostgreSQL servers, and a coffer that finds the first of them first. User 1 has
/// another name and another version on each.
struct two_databases {
  two_databases() {
    test::sql_session{first.url("postgres")}.query("create database " + second.name());
    REQUIRE(test::run_coffer({"migrate", "up"}, {{"DATABASE_URL", first.url(second.name())}}).exit_code == 0);
    const std::string user = "insert into users (id, username, email, version) values (1, $1, 'x@example.com', $2)";
    test::sql_session{first.url(second.name())}.query(user, {"first", "1"});
    second.query(user, {"second", "2"});
    second.query("select setval('user_ids', 1000)");
    const test::server_address at = test::database_address();
    const auto end = at.host.rfind("/.s.PGSQL.");
    const std::string host = at.host.substr(0, end);
    const std::string port = at.is_unix() ? at.host.substr(at.host.rfind('.') + 1) : std::to_string(at.port);
    test::environment how = patient;
    how["DATABASE_URL"] = test::url_with(
        second.url(),
        {{"host", first.directory() + "," + host}, {"port", "5432," + port}, {"target_session_attrs", "read-write"}});
    how["COFFER_LANES"] = "1";
    how["COFFER_READ_POOL_SIZE"] = "4";
    server.emplace(second, how);
  }

  test::database second;
  test::postgres_server first{{}, second.text("select current_user")};
  std::optional<test::server_process> server;
};

std::string name_of_user(test::http_client& client) {
  const auto answer = client.get("/users/1");
  return answer.status == 200 ? answer.json()["username"].text() : std::to_string(answer.status);
}

int create_user(test::http_client& client) {
  const std::string name = test::unique_word("u");
  return client.post("/users", fmt::format(R"({{"username":"{0}","email":"{0}@example.com"}})", name)).status;
}

}  // namespace

TEST_CASE("a database server that becomes read-only is left by readers too, and by what is written beside the lanes") {
  two_databases s;
  auto client = s.server->client();
  REQUIRE(warm(*s.server, s.first.url(s.second.name()), 1, 4) == 0);
  REQUIRE(name_of_user(client) == "first");
  s.first.set_read_only(true);
  SECTION("by readers") {
    std::vector<std::string> names;
    for (int i = 0; i < 12; ++i) {
      names.push_back(name_of_user(client));
    }
    CHECK(names == std::vector<std::string>(12, "second"));
  }
  SECTION("by those who cache what they read") {
    CHECK(client.get("/users/1/inventory").json()["version"] == 2);
    CHECK(client.get("/users/1/inventory").json()["version"] == 2);
  }
  SECTION("by those who write") {
    for (int i = 0; i < 8; ++i) {
      CHECK(create_user(client) == 201);
    }
    CHECK(s.second.integer("select count(*) from users") == 9);
  }
}

TEST_CASE("without a server that can be written, nothing is read from one that has become read-only, until it can be") {
  test::database naming;
  test::postgres_server only{{}, naming.text("select current_user")};
  test::environment how = patient;
  how["DATABASE_URL"] = only.url("shop") + " target_session_attrs=read-write";
  how["COFFER_DATABASE_ACQUIRE_TIMEOUT"] = "200ms";
  test::sql_session{only.url("postgres")}.query("create database shop");
  REQUIRE(test::run_coffer({"migrate", "up"}, {{"DATABASE_URL", only.url("shop")}}).exit_code == 0);
  test::server_process server{naming, how};
  auto client = server.client();
  const auto user = test::make_user(client, 100);
  REQUIRE(warm(server, only.url("shop"), user, 4) == 0);
  only.set_read_only(true);
  for (int i = 0; i < 3; ++i) {
    CHECK(client.get(fmt::format("/users/{}", user)).code() == "unavailable");
    CHECK(create_user(client) == 503);
  }
  only.set_read_only(false);
  CHECK(test::eventually(10s, [&] { return create_user(client) == 201; }));
  CHECK(create_user(client) == 201);
  CHECK(client.get(fmt::format("/users/{}", user)).status == 200);
}

TEST_CASE("a migration under running servers, after which no prepared statement fits, is never noticed") {
  test::environment how = patient;
  how["COFFER_READ_POOL_SIZE"] = "32";
  test::shop s{how};
  REQUIRE(warm(s.server, s.db.url(), s.user, 32) == 0);
  const auto refused = [&s](std::size_t) {
    auto client = s.server.client();
    int count = 0;
    for (int i = 0; i < 20; ++i) {
      count += client.get(fmt::format("/users/{}", s.user)).status == 200 ? 0 : 1;
      count += client.get(fmt::format("/users/{}/transactions", s.user)).status == 200 ? 0 : 1;
    }
    test::make_user(client);
    return count + (test::buy(client, s.user, s.product, 1, test::unique_word("key")).status == 201 ? 0 : 1);
  };
  const std::vector<int> none(8, 0);
  CHECK(test::parallel_map(8, refused) == none);
  s.db.query("alter table users alter column username type varchar(1000), alter column email type varchar(1000)");
  s.db.query("alter table transactions alter column note type varchar(1000)");
  // One request alone meets all the sessions that are not of use any more, one after the other.
  CHECK(s.client.get(fmt::format("/users/{}", s.user)).status == 200);
  CHECK(test::parallel_map(8, refused) == none);
  CHECK(s.server.metric("coffer_lane_retries_total{sqlstate=\"0A000\"}") >= 1);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a refund whose purchase cannot be read was not done, and says so") {
  const test::server_address at = test::database_address();
  test::fault_proxy proxy{at.host, at.port};
  test::database db;
  test::server_process server{
      db, {{"DATABASE_URL", test::url_with(db.url(), proxy.keywords())}, {"COFFER_REQUEST_TIMEOUT", "1s"}}};
  auto client = server.client();
  const auto user = test::make_user(client, 100);
  const auto product = test::make_product(client, "consumable", 1);
  const auto bought = test::buy(client, user, product, 1);
  REQUIRE(bought.status == 201);
  const auto version = bought.json()["version"].integer();
  const auto refund = [&] {
    return client.post(fmt::format("/users/{}/transactions/{}/refund", user, version), R"({"reason":"a test"})");
  };
  const auto batch = [&] {
    return client.post("/batch", fmt::format(R"({{"user_id":{},"atomic":true,"operations":[)"
                                             R"({{"op":"refund","version":{},"reason":"a test"}}]}})",
                                             user, version));
  };
  SECTION("alone") {
    proxy.inject(test::fault_point::after_statement, "journal_find", test::fault_action::stall);
    CHECK(refund().code() == "unavailable");
  }
  SECTION("in a batch") {
    proxy.inject(test::fault_point::after_statement, "journal_find", test::fault_action::stall);
    CHECK(batch().code() == "unavailable");
  }
  CHECK(proxy.injected() == 1);
  proxy.cut_all();
  proxy.heal();
  CHECK(refund().status == 201);
  CHECK(test::audit(db) == "");
}
