// The inventory cache on a Redis that breaks in every way.
#include <chrono>
#include <map>
#include <random>
#include <utility>

#include "cache_process.hpp"
#include "coffer/base/metrics.hpp"
#include "support/catch.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using test::cache_process;
using test::fake_database;
using test::slow_read;

namespace {

struct setup {
  explicit setup(std::chrono::milliseconds command_timeout = 10s, std::size_t max_bypassed = 65536) {
    cache::inventory_cache_options how{"t:"};
    how.max_bypassed = max_bypassed;
    redis::options redis_how = test::patient(server.url());
    redis_how.command_timeout = command_timeout;
    redis_how.breaker_open = 200ms;
    a.emplace(context, redis_how, how);
    b.emplace(context, redis_how, how);
    a->recover();
    b->recover();
    for (std::int64_t user = 1; user <= 20; ++user) {
      database.versions[user] = 5;
      a->get(database, user);
    }
  }

  /// Reads the user until the cache serves it again, and demands version `v` of every answer.
  void demand_recovery(cache_process& p, std::int64_t user, std::int64_t v) {
    const std::string prefix = std::to_string(v) + " ";
    const auto end = std::chrono::steady_clock::now() + 10s;
    for (std::string seen; seen != prefix + "hit";) {
      seen = p.read(database, user);
      INFO(seen);
      REQUIRE(seen.starts_with(prefix));
      REQUIRE(std::chrono::steady_clock::now() < end);
      context.restart();
      context.run_for(5ms);
    }
  }

  /// Reads the user until a fence stands where its value was.
  void demand_fence(cache_process& p, std::int64_t user) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    const std::string key = "t:inventory:" + std::to_string(user);
    while (!server.command({"GET", key}).text.starts_with("F")) {
      REQUIRE(!p.read(database, user).ends_with("hit"));
      REQUIRE(std::chrono::steady_clock::now() < end);
      context.restart();
      context.run_for(5ms);
    }
  }

  asio::io_context context{1};
  test::redis_server server;
  fake_database database;
  std::optional<cache_process> a;
  std::optional<cache_process> b;
};

}  // namespace

TEST_CASE("a redis that is down costs nothing but speed") {
  setup s;
  s.server.kill();
  s.a->commit(s.database, 1, 6);
  for (int i = 0; i < 50; ++i) {
    CHECK(s.a->get(s.database, 1).starts_with("6 "));
    CHECK(s.a->get(s.database, 2).starts_with("5 "));
  }
  CHECK(!test::run_task(s.context, s.a->cache.reset("2026-11-22")));
  s.server.start();
  s.a->recover();
  s.demand_recovery(*s.a, 1, 6);
  s.demand_recovery(*s.a, 2, 5);
}

TEST_CASE(
    "a redis that stalls is waited for no longer than its deadline, and nothing stale is served when it goes on") {
  setup s{100ms};
  s.server.stall();
  const auto begun = std::chrono::steady_clock::now();
  s.a->commit(s.database, 1, 6);
  CHECK(s.a->read(s.database, 1).starts_with("6 "));
  CHECK(std::chrono::steady_clock::now() - begun < 1s);
  for (int i = 0; i < 20; ++i) {
    CHECK(s.a->read(s.database, 2).starts_with("5 "));
  }
  // Most of these find the breaker open.
  CHECK(std::chrono::steady_clock::now() - begun < 5s);
  s.server.resume();
  s.demand_recovery(*s.a, 1, 6);
  s.demand_recovery(*s.a, 2, 5);
}

TEST_CASE("a redis that is a replica serves what it may, and not to users it could not be told of") {
  setup s;
  s.server.command({"REPLICAOF", "127.0.0.1", "1"});
  s.a->commit(s.database, 1, 6);
  s.a->settle();
  CHECK(s.a->get(s.database, 1) == "6 bypass");
  CHECK(s.a->get(s.database, 2) == "5 hit");
  const cache::user_version doubtful[] = {{user_id{3}, version{6}}};
  s.a->cache.invalidate_in_doubt(doubtful);
  s.a->settle();
  CHECK(s.a->get(s.database, 3) == "5 bypass");
  CHECK(!test::run_task(s.context, s.a->cache.reset("2026-11-22")));
  s.server.command({"REPLICAOF", "NO", "ONE"});
  s.demand_recovery(*s.a, 1, 6);
  s.demand_fence(*s.a, 3);
  s.a->commit(s.database, 3, 6);
  s.demand_recovery(*s.a, 3, 6);
}

TEST_CASE("what redis could not be told it is told by itself, without a read") {
  setup s;
  CHECK(s.a->get(s.database, 1) == "5 hit");
  const auto stored = [&s](int user) {
    return s.server.command({"EXISTS", fmt::format("t:inventory:{}", user)}).integer;
  };
  CHECK(stored(1) == 1);
  s.server.command({"REPLICAOF", "127.0.0.1", "1"});
  s.a->commit(s.database, 1, 6);
  s.a->settle();
  const cache::user_version doubtful[] = {{user_id{2}, version{6}}};
  s.a->cache.invalidate_in_doubt(doubtful);
  s.a->settle();
  CHECK(stored(1) == 1);
  s.server.command({"REPLICAOF", "NO", "ONE"});
  test::run_until(
      s.context, [&] { return stored(1) == 0 && s.server.command({"GET", "t:inventory:2"}).text == "F6"; }, 10s);
  CHECK(stored(1) == 0);
  // Nobody who reads elsewhere gets what is old.
  CHECK(s.b->get(s.database, 1) == "6 miss");
  CHECK(s.a->get(s.database, 1) == "6 hit");
}

TEST_CASE("a later invalidation that arrives ends the bypass") {
  setup s;
  s.server.command({"REPLICAOF", "127.0.0.1", "1"});
  s.a->commit(s.database, 1, 6);
  s.a->settle();
  CHECK(s.a->get(s.database, 1) == "6 bypass");
  s.server.command({"REPLICAOF", "NO", "ONE"});
  s.a->commit(s.database, 1, 7);
  s.a->settle();
  CHECK(s.a->get(s.database, 1) == "7 miss");
  CHECK(s.a->get(s.database, 1) == "7 hit");
}

TEST_CASE("a redis without memory still serves reads and takes invalidations") {
  setup s;
  s.server.command({"CONFIG", "SET", "maxmemory", "1"});
  CHECK(s.a->get(s.database, 2) == "5 hit");
  s.a->commit(s.database, 1, 6);
  CHECK(s.a->get(s.database, 1) == "6 miss");
  CHECK(s.a->get(s.database, 1) == "6 miss");
  // A fence takes memory.
  const cache::user_version doubtful[] = {{user_id{3}, version{6}}};
  s.a->cache.invalidate_in_doubt(doubtful);
  s.a->settle();
  CHECK(s.a->get(s.database, 3) == "5 bypass");
  CHECK(s.b->get(s.database, 2) == "5 hit");
  s.server.command({"CONFIG", "SET", "maxmemory", "0"});
  s.demand_recovery(*s.a, 1, 6);
  s.demand_fence(*s.a, 3);
  s.database.versions[3] = 6;
  s.demand_recovery(*s.a, 3, 6);
}

TEST_CASE("a redis that holds back writes serves nothing stale") {
  setup s{100ms};
  s.server.command({"CLIENT", "PAUSE", "1000", "WRITE"});
  s.a->commit(s.database, 1, 6);
  for (int i = 0; i < 10; ++i) {
    CHECK(s.a->read(s.database, 1).starts_with("6 "));
  }
  s.server.command({"CLIENT", "UNPAUSE"});
  s.demand_recovery(*s.a, 1, 6);
}

TEST_CASE("a flushed redis is filled again") {
  setup s;
  s.server.command({"FLUSHALL"});
  s.server.command({"SCRIPT", "FLUSH"});
  CHECK(s.a->get(s.database, 1) == "5 miss");
  CHECK(s.b->get(s.database, 1) == "5 hit");
}

TEST_CASE("an epoch that was lost does not come back with the next reset of the same name") {
  setup s;
  CHECK(test::run_task(s.context, s.a->cache.reset("2026-11-22")));
  s.a->get(s.database, 1);
  const std::string before = s.server.command({"GET", "t:epoch"}).text;
  s.server.command({"DEL", "t:epoch"});
  CHECK(test::run_task(s.context, s.a->cache.reset("2026-11-22")));
  CHECK(s.server.command({"GET", "t:epoch"}).text != before);
  CHECK(s.a->get(s.database, 1) == "5 miss");
}

TEST_CASE("invalidations on a connection that is cut are not lost") {
  setup s;
  s.server.command({"CLIENT", "PAUSE", "60000", "WRITE"});
  for (std::int64_t user = 1; user <= 20; ++user) {
    s.a->commit(s.database, user, 6);
  }
  CHECK(s.a->client.pending() == 20);
  s.server.cut_connections();
  s.server.command({"CLIENT", "UNPAUSE"});
  for (std::int64_t user = 1; user <= 20; ++user) {
    s.demand_recovery(*s.a, user, 6);
  }
}

TEST_CASE("a redis that comes back with an old snapshot serves none of it") {
  setup s;
  CHECK(s.server.command({"SAVE"}).is_ok());
  s.b->commit(s.database, 1, 6);
  s.b->settle();
  s.server.kill();
  s.server.start();
  REQUIRE(s.server.command({"GET", "t:inventory:1"}).text.ends_with("\"version\":5}"));
  s.a->recover();
  CHECK(s.a->get(s.database, 1) == "6 miss");
  s.b->recover();
  CHECK(s.b->get(s.database, 1) == "6 hit");
  CHECK(s.a->get(s.database, 2) == "5 miss");
}

TEST_CASE("when more invalidations are lost than can be remembered, nobody is served until the cache is dropped") {
  setup s{10s, 2};
  s.server.command({"REPLICAOF", "127.0.0.1", "1"});
  for (std::int64_t user = 1; user <= 3; ++user) {
    s.a->commit(s.database, user, 6);
  }
  s.a->settle();
  CHECK(s.a->get(s.database, 1) == "6 bypass");
  CHECK(s.a->get(s.database, 3) == "6 bypass");
  CHECK(s.a->get(s.database, 9) == "5 bypass");
  s.server.command({"REPLICAOF", "NO", "ONE"});
  for (const std::int64_t user : {1, 2, 3}) {
    s.demand_recovery(*s.a, user, 6);
  }
  // The other process kept what it had; now it has lost it.
  CHECK(s.b->get(s.database, 9) == "5 miss");
  CHECK(s.server.command({"GET", "t:epoch"}).is_string());
}

TEST_CASE("a reader whose redis breaks between lease and fill still gets its answer") {
  setup s;
  s.a->commit(s.database, 1, 6);
  slow_read slow{s.context, s.a->cache, s.database, user_id{1}};
  SECTION("down") {
    s.server.kill();
    CHECK(slow.finish() == 6);
    s.server.start();
  }
  SECTION("restarted") {
    s.server.kill();
    s.server.start();
    CHECK(slow.finish() == 6);
  }
  SECTION("flushed") {
    s.server.command({"FLUSHALL"});
    CHECK(slow.finish() == 6);
  }
  s.a->recover();
  s.demand_recovery(*s.a, 1, 6);
}

TEST_CASE("however redis breaks, no process reads older than it has announced") {
  setup s;
  const auto seed = static_cast<unsigned>(GENERATE(1, 2, 3));
  CAPTURE(seed);
  std::mt19937 random{seed};
  const auto pick = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  constexpr int users = 3;
  std::array<std::array<std::int64_t, users + 1>, 2> announced{};
  std::array<cache_process*, 2> processes{&*s.a, &*s.b};
  std::deque<std::unique_ptr<slow_read>> slow;
  // By user: the process whose commit is in doubt, and its version. It keeps the user's row locked.
  std::map<int, std::pair<std::size_t, std::int64_t>> doubts;
  int hits = 0;
  for (int step = 0; step < 1500; ++step) {
    const auto p = static_cast<std::size_t>(pick(2));
    const int user = 1 + pick(users);
    switch (pick(12)) {
      case 0:
      case 1:
        if (doubts.contains(user)) {
          break;
        }
        processes[p]->commit(s.database, user, s.database.versions[user] + 1);
        announced[p][static_cast<std::size_t>(user)] = s.database.versions[user];
        break;
      case 2:
        if (slow.size() < 2) {
          // For a user that no other read waits for: finish() would wait for that one.
          const user_id other{1000 + static_cast<std::int64_t>(step)};
          s.database.versions[other.value] = 1;
          slow.push_back(std::make_unique<slow_read>(s.context, processes[p]->cache, s.database, other));
        } else {
          slow.front()->finish();
          slow.pop_front();
        }
        break;
      case 3:
        if (pick(10) == 0) {
          s.server.cut_connections();
        }
        break;
      case 4:
        if (pick(10) == 0) {
          s.server.command({"FLUSHALL"});
        }
        break;
      case 5:
        if (pick(10) == 0) {
          s.server.command({"REPLICAOF", "127.0.0.1", "1"});
        } else {
          s.server.command({"REPLICAOF", "NO", "ONE"});
        }
        break;
      case 6:
        if (pick(4) > 0) {
          break;
        }
        if (const auto doubt = doubts.extract(user); doubt.empty()) {
          doubts[user] = {p, s.database.versions[user] + 1};
          const cache::user_version doubtful[] = {{user_id{user}, version{doubts[user].second}}};
          processes[p]->cache.invalidate_in_doubt(doubtful);
        } else if (pick(2) == 0) {
          // It does happen, and nobody announces it.
          s.database.versions[user] = doubt.mapped().second;
          announced[doubt.mapped().first][static_cast<std::size_t>(user)] = doubt.mapped().second;
        }
        break;
      default: {
        const std::string seen = processes[p]->get(s.database, user);
        CAPTURE(step, user, p, seen);
        REQUIRE(std::stoll(seen) >= announced[p][static_cast<std::size_t>(user)]);
        REQUIRE(seen.find("BROKEN") == std::string::npos);
        hits += seen.ends_with("hit") ? 1 : 0;
      }
    }
  }
  for (auto& read : slow) {
    read->finish();
  }
  CHECK(hits > 20);
}
