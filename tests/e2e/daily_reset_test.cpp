// The daily job of several processes on one database and one Redis.
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/fault_proxy.hpp"
#include "support/pg_environment.hpp"
#include "support/redis_server.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// "HH:MM:SS" in UTC, so far from now.
std::string time_of_day(std::chrono::seconds ahead) {
  const auto then = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) + ahead;
  const std::chrono::hh_mm_ss time{then - std::chrono::floor<std::chrono::days>(then)};
  return fmt::format("{:02}:{:02}:{:02}", time.hours().count(), time.minutes().count(), time.seconds().count());
}

}  // namespace

TEST_CASE("of several processes one runs the daily reset, and all lose their cached inventories, once") {
  test::redis_server redis;
  const test::environment how{
      {"REDIS_URL", redis.url()}, {"COFFER_REDIS_PREFIX", "one:"}, {"COFFER_CACHE_RESET_AT", time_of_day(5s)}};
  test::database db;
  test::server_process first{db, how};
  test::server_process second{db, how};
  auto client = first.client();
  auto other = second.client();
  const auto user = test::make_user(client, 100);
  const auto product = test::make_product(client, "consumable", 1);
  const std::string key = test::unique_word("key");
  const auto bought = test::buy(client, user, product, 1, key);
  REQUIRE(bought.status == 201);
  const auto inventory = fmt::format("/users/{}/inventory", user);
  client.get(inventory);
  REQUIRE(other.get(inventory).header("Cache-Status") == "coffer; hit");

  const auto runs = [&] { return db.integer("select count(*) from job_runs"); };
  const auto resets = [&] {
    return first.metric("coffer_cache_resets_total").value_or(0) +
           second.metric("coffer_cache_resets_total").value_or(0);
  };
  REQUIRE(test::eventually(20s, [&] { return runs() > 0 && resets() >= 1; }));
  REQUIRE(runs() == 1);
  CHECK(other.get(inventory).header("Cache-Status") != "coffer; hit");
  CHECK(client.get(inventory).status == 200);
  // The one that lost the race has had its turn as well by now.
  std::this_thread::sleep_for(500ms);
  CHECK(resets() == 1);
  CHECK(runs() == 1);

  const auto again = test::buy(client, user, product, 1, key);
  CHECK(again.header("Idempotent-Replayed") == "true");
  CHECK(again.body == bought.body);
  CHECK(test::audit(db) == "");
}

TEST_CASE("a daily reset is done also when it never learns that it is noted") {
  test::redis_server redis;
  const test::server_address at = test::database_address();
  test::fault_proxy proxy{at.host, at.port};
  test::database db;
  const test::server_process server{db,
                                    {{"REDIS_URL", redis.url()},
                                     {"DATABASE_URL", test::url_with(db.url(), proxy.keywords())},
                                     {"COFFER_REDIS_PREFIX", "one:"},
                                     {"COFFER_CACHE_RESET_AT", time_of_day(3s)}}};
  std::int64_t notes = 0;
  SECTION("because the answer is lost") {
    proxy.inject(test::fault_point::before_completion, "INSERT 0 1", test::fault_action::cut);
    notes = 1;
  }
  SECTION("because it never arrives") {
    proxy.inject(test::fault_point::before_statement, "insert into job_runs", test::fault_action::cut);
  }
  REQUIRE(proxy.wait_injected(1, 20s));
  CHECK(test::eventually(5s, [&] { return redis.command({"GET", "one:epoch"}).text.starts_with("daily-"); }));
  CHECK(db.integer("select count(*) from job_runs") == notes);
}
