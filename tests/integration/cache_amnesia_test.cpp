// What the inventory cache must not forget: invalidations that an earlier process lost, commits that stay in doubt,
// and that a Redis which does not say which run it is may have been another one.
#include <chrono>

#include "cache_process.hpp"
#include "support/catch.hpp"
#include "support/fault_proxy.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using test::cache_process;
using test::fake_database;

namespace {

/// Two processes on a Redis: `a` reaches it through a proxy, `b` directly. User 1 is at version 5, and cached.
struct proxied {
  explicit proxied(std::chrono::seconds ttl = 300s) : how{"t:"} {
    how.ttl = ttl;
    redis_how.breaker_open = 200ms;
    a.emplace(context, redis_how, how);
    b.emplace(context, server.url(), how);
    a->recover();
    b->recover();
    database.versions[1] = 5;
    database.versions[2] = 50;
    REQUIRE(a->get(database, 1) == "5 miss");
    REQUIRE(b->get(database, 1) == "5 hit");
  }

  void cut() {
    proxy.refuse();
    proxy.cut_all();
    test::run_until(context, [this] { return !a->client.available(); }, 10s);
  }
  void heal() {
    proxy.heal();
    a->recover();
  }
  void doubt(std::int64_t user, std::int64_t v) {
    const cache::user_version doubtful[] = {{user_id{user}, version{v}}};
    a->cache.invalidate_in_doubt(doubtful);
  }
  void run_for(std::chrono::milliseconds span) {
    context.restart();
    context.run_for(span);
  }

  asio::io_context context{1};
  test::redis_server server;
  test::fault_proxy proxy{server.socket(), 0, test::fault_proxy::protocol::raw};
  redis::options redis_how = test::patient("redis://127.0.0.1:" + std::to_string(proxy.port()));
  cache::inventory_cache_options how;
  fake_database database;
  std::optional<cache_process> a;
  std::optional<cache_process> b;
};

}  // namespace

TEST_CASE("a process that starts serves nothing of which an earlier one could not tell redis") {
  proxied p;
  p.cut();
  p.a->commit(p.database, 1, 6);
  CHECK(p.a->read(p.database, 1).starts_with("6 "));
  p.a.reset();
  p.proxy.heal();
  SECTION("whoever reads first") {}
  SECTION("when another process has read it meanwhile") { CHECK(p.b->get(p.database, 1) == "5 hit"); }
  p.a.emplace(p.context, p.redis_how, p.how);
  p.a->recover();
  CHECK(p.a->get(p.database, 1) == "6 miss");
  CHECK(p.a->get(p.database, 1) == "6 hit");
  CHECK(p.b->get(p.database, 1) == "6 hit");
}

TEST_CASE("processes and threads that start together drop the cache once") {
  proxied p;
  p.run_for(20ms);
  cache_process one{p.context, p.server.url(), p.how};
  cache_process two{p.context, p.server.url(), p.how};
  one.recover();
  two.recover();
  CHECK(one.get(p.database, 1) == "5 miss");
  CHECK(two.get(p.database, 1) == "5 hit");
  CHECK(one.get(p.database, 1) == "5 hit");
}

TEST_CASE("a process that starts and cannot write to redis serves nothing from it") {
  proxied p;
  p.server.command({"REPLICAOF", "127.0.0.1", "1"});
  cache_process one{p.context, p.server.url(), p.how};
  one.recover();
  CHECK(one.get(p.database, 1) == "5 bypass");
  CHECK(one.get(p.database, 1) == "5 bypass");
  p.server.command({"REPLICAOF", "NO", "ONE"});
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (one.get(p.database, 1) != "5 hit" && std::chrono::steady_clock::now() < end) {
    p.run_for(10ms);
  }
  CHECK(one.get(p.database, 1) == "5 hit");
}

TEST_CASE("a fence that could not be set is set when redis is back") {
  proxied p;
  p.cut();
  p.doubt(1, 6);
  p.run_for(10ms);
  CHECK(p.a->read(p.database, 1).starts_with("5 "));
  p.heal();
  CHECK(p.a->get(p.database, 1).starts_with("5 "));
  CHECK(p.a->get(p.database, 1) == "5 miss");
  CHECK(p.b->get(p.database, 1) == "5 miss");
  // The commit happens now, and nobody announces it.
  p.database.versions[1] = 6;
  CHECK(p.a->get(p.database, 1) == "6 miss");
  CHECK(p.b->get(p.database, 1) == "6 hit");
}

TEST_CASE("a doubt whose fence could not be set stays when its commit is seen to have happened") {
  proxied p;
  p.cut();
  p.doubt(1, 6);
  p.database.versions[1] = 6;
  CHECK(p.a->read(p.database, 1).starts_with("6 "));
  p.heal();
  CHECK(p.a->get(p.database, 1).starts_with("6 "));
  CHECK(p.a->get(p.database, 1).starts_with("6 "));
  CHECK(p.b->get(p.database, 1) == "6 hit");
}

TEST_CASE("a fence is not taken away by the repetition of an invalidation that was lost before it") {
  proxied p;
  p.server.command({"REPLICAOF", "127.0.0.1", "1"});
  p.a->commit(p.database, 1, 6);
  p.a->settle();
  p.server.command({"REPLICAOF", "NO", "ONE"});
  p.doubt(1, 7);
  SECTION("by this process, before the fence is confirmed") {}
  SECTION("by another process, afterwards") {
    p.server.command({"REPLICAOF", "127.0.0.1", "1"});
    p.b->cache.invalidate(std::vector<cache::user_version>{{user_id{1}, version{6}}});
    p.b->settle();
    p.server.command({"REPLICAOF", "NO", "ONE"});
    p.doubt(1, 7);
    p.a->settle();
    for (int i = 0; i < 3; ++i) {
      p.b->get(p.database, 1);
      p.run_for(10ms);
    }
  }
  for (int i = 0; i < 3; ++i) {
    CHECK(p.a->get(p.database, 1).starts_with("6 "));
  }
  p.database.versions[1] = 7;
  CHECK(p.a->get(p.database, 1).starts_with("7 "));
  CHECK(p.b->get(p.database, 1).starts_with("7 "));
}

TEST_CASE("a fence stands as long as the doubt, not only for its own time to live") {
  proxied p{1s};
  p.doubt(1, 6);
  for (int i = 0; i < 25; ++i) {
    p.run_for(100ms);
    CHECK(p.a->get(p.database, 2).starts_with("50 "));
  }
  CHECK(p.b->get(p.database, 1) == "5 miss");
  CHECK(p.b->get(p.database, 1) == "5 miss");
  p.database.versions[1] = 6;
  CHECK(p.b->get(p.database, 1) == "6 miss");
  CHECK(p.a->get(p.database, 1) == "6 hit");
}

TEST_CASE("a fence that is set anew does not lower that of a later doubt of another process") {
  proxied p{1s};
  p.doubt(1, 6);
  p.a->settle();
  p.b->cache.invalidate_in_doubt(std::vector<cache::user_version>{{user_id{1}, version{9}}});
  p.b->settle();
  for (int i = 0; i < 15; ++i) {
    p.run_for(100ms);
    CHECK(p.a->get(p.database, 2).starts_with("50 "));
  }
  CHECK(p.server.command({"GET", "t:inventory:1"}).text == "F9");
}

TEST_CASE("a doubt ends when its version has come into the cache, and with the next commit that is certain") {
  proxied p{1s};
  p.doubt(1, 9);
  p.a->settle();
  CHECK(p.a->get(p.database, 1) == "5 miss");
  std::int64_t now_at = 6;
  SECTION("a certain commit of the user, whatever its version") { p.a->commit(p.database, 1, 6); }
  SECTION("a read that was stored") {
    p.database.versions[1] = now_at = 9;
    CHECK(p.a->get(p.database, 1) == "9 miss");
  }
  for (int i = 0; i < 15; ++i) {
    p.run_for(100ms);
    p.a->get(p.database, 2);
  }
  const std::string prefix = std::to_string(now_at);
  CHECK(p.a->get(p.database, 1) == prefix + " miss");
  CHECK(p.a->get(p.database, 1) == prefix + " hit");
}

TEST_CASE("a redis that does not say which run it is serves nothing from before the connection was lost") {
  test::redis_server server{{"--user", "app", "on", ">pw", "~t:*", "-@all", "+auth", "+select", "+ping", "+get", "+set",
                             "+mget", "+unlink", "+eval", "+time"}};
  asio::io_context context{1};
  fake_database database;
  database.versions[1] = 5;
  const cache::inventory_cache_options how{"t:"};
  cache_process a{context, "unix://app:pw@" + server.socket(), how};
  a.recover();
  CHECK(a.get(database, 1) == "5 miss");
  CHECK(a.get(database, 1) == "5 hit");
  CHECK(server.command({"SAVE"}).is_ok());
  a.commit(database, 1, 6);
  a.settle();
  server.kill();
  server.start();
  REQUIRE(server.command({"GET", "t:inventory:1"}).text.ends_with("\"version\":5}"));
  a.recover();
  CHECK(a.get(database, 1) == "6 miss");
  CHECK(a.get(database, 1) == "6 hit");
}
