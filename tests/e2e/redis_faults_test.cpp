// A Redis that is missing or breaks, seen over HTTP: every endpoint stays correct, nothing is stale, nothing is a 500.
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

/// One round of everything a client does, with the state checked after each step.
void demand_correct_answers(test::shop& s) {
  const auto before = s.inventory().json();
  const auto version = before["version"].integer();
  const auto owned = test::owned_units(s.client, s.user, s.product);
  REQUIRE(s.buy(2).status == 201);
  CHECK(s.inventory().json()["version"] == version + 1);
  CHECK(test::owned_units(s.client, s.user, s.product) == owned + 2);
  REQUIRE(test::use(s.client, s.user, s.product).status == 201);
  CHECK(test::owned_units(s.client, s.user, s.product) == owned + 1);
  REQUIRE(test::deposit(s.client, s.user, 5, test::unique_word("key")).status == 201);
  const auto after = s.inventory();
  CHECK(after.status == 200);
  CHECK(after.json()["version"] == version + 3);
  CHECK(after.header("ETag") == fmt::format("\"{}\"", version + 3));
  CHECK(s.client.get("/analytics/popular-products").status == 200);
  CHECK(s.client.get(fmt::format("/users/{}/transactions", s.user)).status == 200);
  CHECK(s.client.get("/products").status == 200);
  CHECK(s.client.get("/readyz").status == 200);
}

/// Reads the inventory until it comes from the cache; it must be the newest version all the time.
bool hits_come_back(test::shop& s) {
  const auto version = s.inventory().json()["version"].integer();
  bool newest = true;
  const auto hits_or_is_old = [&] {
    const auto answer = s.inventory();
    newest = answer.status == 200 && answer.json()["version"] == version;
    return !newest || answer.header("Cache-Status") == "coffer; hit";
  };
  return test::eventually(20s, hits_or_is_old, 20ms) && newest;
}

/// A shop with a Redis of its own and a user whose inventory is cached.
struct cached_shop {
  cached_shop() : s{{{"REDIS_URL", redis.url()}, {"COFFER_CACHE_TTL", "1m"}}} {
    REQUIRE(s.buy(3).status == 201);
    REQUIRE(hits_come_back(s));
  }

  test::redis_server redis;
  test::shop s;
};

/// Correct with the fault, and afterwards a cache again.
void demand_recovery(test::shop& s) {
  demand_correct_answers(s);
  CHECK(hits_come_back(s));
  CHECK(test::audit(s.db) == "");
}

}  // namespace

TEST_CASE("without redis, or with none that answers, every endpoint is correct") {
  const std::string url = GENERATE("none", "unix:///nonexistent/redis.sock", "redis://127.0.0.1:1/0");
  CAPTURE(url);
  test::shop s{{{"REDIS_URL", url}}};
  demand_correct_answers(s);
  demand_correct_answers(s);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("a redis that is killed and comes back is a cache again") {
  cached_shop shop;
  shop.redis.kill();
  demand_correct_answers(shop.s);
  shop.redis.start();
  demand_recovery(shop.s);
}

TEST_CASE("a redis that hangs delays no request beyond its deadline") {
  cached_shop shop;
  shop.redis.stall();
  const auto begin = std::chrono::steady_clock::now();
  demand_correct_answers(shop.s);
  CHECK(std::chrono::steady_clock::now() - begin < 4s);
  shop.redis.resume();
  demand_recovery(shop.s);
}

TEST_CASE("a redis that pauses its clients is a miss") {
  cached_shop shop;
  shop.redis.command({"CLIENT", "PAUSE", "1500", "ALL"});
  demand_correct_answers(shop.s);
  demand_recovery(shop.s);
}

TEST_CASE("a redis that takes no writes never shows an old inventory") {
  cached_shop shop;
  SECTION("because it is full") {
    shop.redis.command({"CONFIG", "SET", "maxmemory", "1"});
    demand_correct_answers(shop.s);
    demand_correct_answers(shop.s);
    shop.redis.command({"CONFIG", "SET", "maxmemory", "0"});
  }
  SECTION("because it is a replica") {
    shop.redis.command({"REPLICAOF", "127.0.0.1", "1"});
    demand_correct_answers(shop.s);
    demand_correct_answers(shop.s);
    shop.redis.command({"REPLICAOF", "NO", "ONE"});
  }
  demand_recovery(shop.s);
}

TEST_CASE("a redis that is emptied under load is filled again") {
  cached_shop shop;
  for (int i = 0; i < 5; ++i) {
    shop.redis.command({"FLUSHALL"});
    demand_correct_answers(shop.s);
  }
  demand_recovery(shop.s);
}

TEST_CASE("values that are no inventories are passed over") {
  cached_shop shop;
  const auto keys = shop.redis.command({"KEYS", "*"});
  REQUIRE(!keys.elements.empty());
  const std::string kind = GENERATE("bytes", "empty", "another type");
  CAPTURE(kind);
  for (const auto& key : keys.elements) {
    if (kind == "another type") {
      shop.redis.command({"DEL", key.text});
      shop.redis.command({"RPUSH", key.text, "x"});
    } else {
      shop.redis.command({"SET", key.text, kind == "bytes" ? std::string{"\x00\xff{garbage", 10} : ""});
    }
  }
  demand_correct_answers(shop.s);
  CHECK(test::audit(shop.s.db) == "");
}

TEST_CASE("connections to redis that are cut in the middle lose nothing but hits") {
  cached_shop shop;
  for (int i = 0; i < 5; ++i) {
    shop.redis.cut_connections();
    demand_correct_answers(shop.s);
  }
  demand_recovery(shop.s);
}

namespace {

/// A server on one thread that reaches its database through a proxy, and a user whose inventory is cached.
struct proxied_cache {
  proxied_cache() {
    REQUIRE(test::buy(client, user, product, 1).status == 201);
    REQUIRE(client.get(inventory).status == 200);
    REQUIRE(client.get(inventory).header("Cache-Status") == "coffer; hit");
  }

  test::redis_server redis;
  test::server_address at = test::database_address();
  test::fault_proxy proxy{at.host, at.port};
  test::database db;
  test::server_process server{db,
                              {{"REDIS_URL", redis.url()},
                               {"DATABASE_URL", test::url_with(db.url(), proxy.keywords())},
                               {"COFFER_REDIS_PREFIX", "one:"},
                               {"COFFER_THREADS", "1"},
                               {"COFFER_DRAIN_TIMEOUT", "1s"},
                               {"COFFER_REQUEST_TIMEOUT", "9s"},
                               {"COFFER_DATABASE_STATEMENT_TIMEOUT", "9s"}}};
  test::http_client client = server.client();
  std::int64_t user = test::make_user(client, 100);
  std::int64_t product = test::make_product(client, "consumable", 1);
  std::string inventory = fmt::format("/users/{}/inventory", user);
};

}  // namespace

TEST_CASE("a commit that is answered only after a drain was cut off is still told to redis") {
  proxied_cache s;
  s.proxy.inject(test::fault_point::before_completion, "COMMIT", test::fault_action::stall);
  std::jthread buyer{[&] {
    try {
      test::buy(s.client, s.user, s.product, 1);
    } catch (const test::http_failure&) {
      // The drain is cut off.
    }
  }};
  REQUIRE(s.proxy.wait_injected(1));
  s.server.signal(15);
  std::this_thread::sleep_for(5500ms);
  CHECK(s.server.running());
  s.proxy.resume();
  s.server.stop(0);
  CHECK(s.db.integer("select quantity from inventory where user_id = $1", {std::to_string(s.user)}) == 2);
  CHECK(s.redis.command({"EXISTS", fmt::format("one:inventory:{}", s.user)}).integer == 0);
}

TEST_CASE("a product whose renaming is committed, and not known to be, is not shown under its old name") {
  proxied_cache s;
  s.proxy.inject(test::fault_point::before_completion, "COMMIT", test::fault_action::cut);
  const auto answer = s.client.patch(fmt::format("/products/{}", s.product), R"({"name":"renamed"})");
  CHECK(answer.code() == "outcome_unknown");
  const auto renamed = [&] { return s.client.get(s.inventory).body.find("\"renamed\"") != std::string::npos; };
  CHECK(test::eventually(5s, renamed));
  CHECK(renamed());
}

TEST_CASE("a redis that refuses the login, or is a cluster, is said to be so") {
  const bool clustered = GENERATE(false, true);
  const test::redis_server redis{clustered ? std::vector<std::string>{"--cluster-enabled", "yes"}
                                           : std::vector<std::string>{"--requirepass", "right"}};
  const std::string url = "unix://:wrong@" + redis.socket();
  const std::string where = clustered ? redis.url() : url;
  const std::string what = clustered ? "Redis Cluster" : "the user or the password is wrong";
  test::shop s{{{"REDIS_URL", where}}};
  const auto told = s.server.wait_for_event("redis cannot be used");
  REQUIRE(told);
  demand_correct_answers(s);
  const auto ready = s.client.get("/readyz");
  CHECK(ready.status == 200);
  CHECK(ready.json()["cache"] == "down");
  CHECK(ready.json()["cache_message"].text().find(what) != std::string::npos);
  CHECK(ready.body.find("wrong@") == std::string::npos);
  const auto run = test::run_coffer({"doctor"}, {{"DATABASE_URL", s.db.url()}, {"REDIS_URL", where}});
  CHECK(run.out.find("Redis answers and cannot be used: ") != std::string::npos);
  CHECK(run.out.find(what) != std::string::npos);
}

TEST_CASE("the cache is cleared without touching what belongs to others") {
  cached_shop c;
  const std::string mine = c.s.db.name() + ":";
  c.redis.command({"SET", "somebody else's", "1"});
  c.redis.command({"SET", mine + "limit:purchase:user:0:1", "1"});
  c.redis.command({"SET", mine + "popular", "P 1\n{}"});
  const auto cached = fmt::format("{}inventory:{}", mine, c.s.user);
  REQUIRE(c.redis.command({"EXISTS", cached}).integer == 1);
  const test::environment env{{"REDIS_URL", c.redis.url()}, {"COFFER_REDIS_PREFIX", mine}};
  const auto run = test::run_coffer({"cache", "clear"}, env);
  CHECK(run.exit_code == 0);
  CHECK(run.out == fmt::format("cleared: 1 cached inventories under {}, and the popular products\n", mine));
  CHECK(c.redis.command({"EXISTS", cached}).integer == 0);
  CHECK(c.redis.command({"EXISTS", mine + "popular"}).integer == 0);
  CHECK(c.redis.command({"EXISTS", "somebody else's"}).integer == 1);
  CHECK(c.redis.command({"EXISTS", mine + "limit:purchase:user:0:1"}).integer == 1);
  demand_recovery(c.s);
  const auto away = test::run_coffer({"cache", "clear"}, {{"REDIS_URL", "unix:///nonexistent/redis.sock"}});
  CHECK(away.exit_code == 1);
  CHECK(away.err.find("the cache could not be cleared: Redis does not answer") != std::string::npos);
}
