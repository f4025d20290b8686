#include "coffer/cache/inventory_cache.hpp"

#include "cache_process.hpp"
#include "support/catch.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using test::cache_process;
using test::fake_database;
using test::slow_read;

namespace {

/// Two processes on the shared Redis, with a prefix of their own.
struct two_processes {
  explicit two_processes(const std::string& url = test::redis_url()) : a{context, url, how()}, b{context, url, how()} {
    a.recover();
    b.recover();
    database.versions[1] = 5;
    database.versions[2] = 50;
  }

  cache::inventory_cache_options how() const { return cache::inventory_cache_options{prefix}; }
  std::string key(int user) const { return prefix + "inventory:" + std::to_string(user); }
  redis::reply redis(std::vector<std::string> command) {
    auto outcome = test::run_task(context, a.client.command(std::move(command)));
    REQUIRE(outcome);
    return *outcome;
  }

  std::string prefix = test::unique_prefix();
  asio::io_context context{1};
  fake_database database;
  cache_process a;
  cache_process b;
};

}  // namespace

TEST_CASE("an inventory is loaded once and then served from the cache, to other processes too") {
  two_processes p;
  CHECK(p.a.get(p.database, 1) == "5 miss");
  CHECK(p.a.get(p.database, 1) == "5 hit");
  CHECK(p.b.get(p.database, 1) == "5 hit");
  CHECK(p.b.get(p.database, 2) == "50 miss");
  CHECK(p.database.loads == 2);
  const auto ttl = p.redis({"PTTL", p.key(1)}).integer;
  CHECK(ttl > 290'000);
  CHECK(ttl <= 300'000);
}

TEST_CASE("a user that does not exist is not cached") {
  two_processes p;
  CHECK(p.a.get(p.database, 3) == "none");
  p.database.versions[3] = 1;
  CHECK(p.a.get(p.database, 3) == "1 miss");
}

TEST_CASE("what a load throws reaches the reader, and the next reader loads again") {
  two_processes p;
  cache::inventory_cache::loader broken = []() -> net::task<result<cache::inventory_snapshot>> {
    throw std::runtime_error{"no database"};
    co_return std::unexpected(error{errc::internal});
  };
  CHECK_THROWS_AS(test::run_task(p.context, p.a.cache.get(user_id{1}, net::deadline_in(1s), std::move(broken))),
                  std::runtime_error);
  CHECK(p.a.get(p.database, 1) == "5 miss");
  CHECK(p.a.get(p.database, 1) == "5 hit");
}

TEST_CASE("a process reads its own commits at once") {
  two_processes p;
  for (std::int64_t v = 6; v < 200; ++v) {
    p.a.get(p.database, 1);
    p.a.commit(p.database, 1, v);
    REQUIRE(p.a.get(p.database, 1) == std::to_string(v) + " miss");
    REQUIRE(p.a.get(p.database, 1) == std::to_string(v) + " hit");
  }
}

TEST_CASE("a process reads the commits of another once their invalidation has arrived") {
  two_processes p;
  for (std::int64_t v = 6; v < 200; ++v) {
    p.b.get(p.database, 1);
    p.a.commit(p.database, 1, v);
    p.a.settle();
    REQUIRE(p.b.get(p.database, 1) == std::to_string(v) + " miss");
    REQUIRE(p.a.get(p.database, 1) == std::to_string(v) + " hit");
  }
}

TEST_CASE("one call invalidates many users") {
  two_processes p;
  std::vector<cache::user_version> changed;
  for (std::int64_t user = 1; user <= 500; ++user) {
    p.database.versions[user] = 1;
    p.a.get(p.database, user);
    p.database.versions[user] = 2;
    changed.emplace_back(user_id{user}, version{2});
  }
  p.a.cache.invalidate(changed);
  for (std::int64_t user = 1; user <= 500; ++user) {
    REQUIRE(p.a.get(p.database, user) == "2 miss");
  }
  p.a.cache.invalidate({});
}

TEST_CASE("a slow reader stores nothing once something newer was announced") {
  two_processes p;
  slow_read slow{p.context, p.a.cache, p.database, user_id{1}};
  SECTION("by its own process") {
    p.a.commit(p.database, 1, 6);
    p.a.settle();
  }
  SECTION("by another process") {
    p.b.commit(p.database, 1, 6);
    p.b.settle();
  }
  SECTION("and everything was flushed afterwards") {
    p.b.commit(p.database, 1, 6);
    p.b.settle();
    for (const auto& key : p.redis({"KEYS", p.prefix + "*"}).elements) {
      p.redis({"DEL", key.text});
    }
  }
  SECTION("and the newer state was cached already") {
    p.b.commit(p.database, 1, 6);
    p.b.settle();
    CHECK(p.b.get(p.database, 1) == "6 miss");
  }
  SECTION("and somebody else is loading now") {
    p.b.commit(p.database, 1, 6);
    p.b.settle();
    slow_read other{p.context, p.b.cache, p.database, user_id{1}};
    CHECK(slow.finish() == 5);
    CHECK(other.finish() == 6);
    CHECK(p.a.get(p.database, 1) == "6 hit");
    return;
  }
  CHECK(slow.finish() == 5);
  p.a.settle();
  CHECK(p.b.get(p.database, 1).starts_with("6 "));
  CHECK(p.a.get(p.database, 1) == "6 hit");
}

TEST_CASE("a slow reader stores nothing after its key was evicted or has expired") {
  two_processes p;
  slow_read slow{p.context, p.a.cache, p.database, user_id{1}};
  p.redis({"DEL", p.key(1)});
  CHECK(slow.finish() == 5);
  CHECK(p.a.get(p.database, 1) == "5 miss");
}

TEST_CASE("a reader never joins a load that began before it") {
  two_processes p;
  slow_read slow{p.context, p.a.cache, p.database, user_id{1}};
  p.a.commit(p.database, 1, 6);
  slow_read second{p.context, p.b.cache, p.database, user_id{1}};
  CHECK(second.finish() == 6);
  cache::inventory_cache::loader load = [&p] { return p.database.load(user_id{1}); };
  std::int64_t third = 0;
  asio::co_spawn(p.context, p.a.cache.get(user_id{1}, net::deadline_in(10s), std::move(load)),
                 [&third](std::exception_ptr, result<cache::inventory_read> r) { third = r->snapshot.at.value; });
  CHECK(slow.finish() == 5);
  test::run_until(p.context, [&] { return third != 0; }, 10s);
  CHECK(third == 6);
}

TEST_CASE("two processes that load the same user share a lease, and one of them stores") {
  two_processes p;
  slow_read one{p.context, p.a.cache, p.database, user_id{1}};
  slow_read two{p.context, p.b.cache, p.database, user_id{1}};
  CHECK(two.finish() == 5);
  CHECK(one.finish() == 5);
  CHECK(p.a.get(p.database, 1) == "5 hit");
  CHECK(p.database.loads == 2);
}

TEST_CASE("a crowd of readers of one user costs two loads") {
  two_processes p;
  std::vector<std::string> seen;
  constexpr std::size_t count = 500;
  for (std::size_t i = 0; i < count; ++i) {
    cache::inventory_cache::loader load = [&p] { return p.database.load(user_id{1}); };
    asio::co_spawn(p.context, p.a.cache.get(user_id{1}, net::deadline_in(10s), std::move(load)),
                   [&](std::exception_ptr, result<cache::inventory_read> r) { seen.push_back(r->snapshot.json); });
  }
  test::run_until(p.context, [&] { return seen.size() == count; }, 10s);
  CHECK(seen == std::vector<std::string>(count, R"({"user_id":1,"version":5})"));
  CHECK(p.database.loads <= 2);
}

TEST_CASE("after a commit in doubt nothing older is stored, by any process") {
  two_processes p;
  p.a.get(p.database, 1);
  const cache::user_version doubtful[] = {{user_id{1}, version{6}}};
  p.a.cache.invalidate_in_doubt(doubtful);
  p.a.settle();
  CHECK(p.a.get(p.database, 1) == "5 miss");
  CHECK(p.a.get(p.database, 1) == "5 miss");
  CHECK(p.b.get(p.database, 1) == "5 miss");
  // The commit did happen, late, and nobody announces it.
  p.database.versions[1] = 6;
  CHECK(p.b.get(p.database, 1) == "6 miss");
  CHECK(p.a.get(p.database, 1) == "6 hit");
}

TEST_CASE("a fence goes with the next commit that is certain") {
  two_processes p;
  const cache::user_version doubtful[] = {{user_id{1}, version{9}}};
  p.a.cache.invalidate_in_doubt(doubtful);
  p.a.commit(p.database, 1, 6);
  CHECK(p.a.get(p.database, 1) == "6 miss");
  CHECK(p.a.get(p.database, 1) == "6 hit");
}

TEST_CASE("a reset makes every value worthless, for all processes, once") {
  two_processes p;
  p.a.get(p.database, 1);
  p.b.get(p.database, 2);
  CHECK(test::run_task(p.context, p.a.cache.reset("2026-11-22")));
  CHECK(p.b.get(p.database, 1) == "5 miss");
  CHECK(p.a.get(p.database, 2) == "50 miss");
  CHECK(p.a.get(p.database, 1) == "5 hit");
  CHECK(test::run_task(p.context, p.b.cache.reset("2026-11-22")));
  CHECK(p.b.get(p.database, 1) == "5 hit");
  CHECK(test::run_task(p.context, p.b.cache.reset("2026-11-23")));
  CHECK(p.b.get(p.database, 1) == "5 miss");
}

TEST_CASE("a load that began before a reset stores nothing that is served after it") {
  two_processes p;
  slow_read slow{p.context, p.a.cache, p.database, user_id{1}};
  CHECK(test::run_task(p.context, p.b.cache.reset("2026-11-22")));
  slow.finish();
  CHECK(p.b.get(p.database, 1) == "5 miss");
  CHECK(p.a.get(p.database, 1) == "5 hit");
}

TEST_CASE("garbage under a user's key is a miss, and is replaced") {
  two_processes p;
  p.a.get(p.database, 1);
  const std::string good = p.redis({"GET", p.key(1)}).text;
  const std::string head = good.substr(0, good.find('\n') + 1);
  p.redis({"DEL", p.key(1)});
  SECTION("text") { p.redis({"SET", p.key(1), "hello"}); }
  SECTION("nothing") { p.redis({"SET", p.key(1), ""}); }
  SECTION("bytes") { p.redis({"SET", p.key(1), std::string{"\0\xff\n\r", 4}}); }
  SECTION("a list") { p.redis({"RPUSH", p.key(1), "x"}); }
  SECTION("a value cut short") { p.redis({"SET", p.key(1), good.substr(0, good.size() - 1)}); }
  SECTION("a value without its document") { p.redis({"SET", p.key(1), head}); }
  SECTION("a value with a broken version") { p.redis({"SET", p.key(1), head.substr(0, head.size() - 1) + "x\n{}"}); }
  SECTION("a fence that is none") { p.redis({"SET", p.key(1), "F6x"}); }
  SECTION("a lease that never ends") { p.redis({"SET", p.key(1), "Lforever"}); }
  CHECK(p.a.get(p.database, 1) == "5 miss");
  CHECK(p.a.get(p.database, 1) == "5 hit");
  CHECK(p.redis({"PTTL", p.key(1)}).integer > 0);
}

TEST_CASE("garbage in place of the epoch is a miss, and is replaced") {
  two_processes p;
  p.a.get(p.database, 1);
  const std::string epoch = p.prefix + "epoch";
  p.redis({"DEL", epoch});
  SECTION("nothing") {}
  SECTION("text with spaces") { p.redis({"SET", epoch, "a b\nc"}); }
  SECTION("far too much") { p.redis({"SET", epoch, std::string(5000, 'x')}); }
  SECTION("a list") { p.redis({"RPUSH", epoch, "x"}); }
  CHECK(p.a.get(p.database, 1) == "5 miss");
  CHECK(p.a.get(p.database, 1) == "5 hit");
  CHECK(test::run_task(p.context, p.a.cache.reset("2026-11-22")));
  CHECK(p.b.get(p.database, 1) == "5 miss");
}

TEST_CASE("a reset replaces garbage in place of the epoch") {
  two_processes p;
  p.redis({"RPUSH", p.prefix + "epoch", "x"});
  CHECK(test::run_task(p.context, p.a.cache.reset("2026-11-22")));
  CHECK(p.redis({"GET", p.prefix + "epoch"}).text.starts_with("2026-11-22~"));
}

TEST_CASE("without a redis every read is a load, and a crowd still shares them") {
  asio::io_context context{1};
  fake_database database;
  database.versions[1] = 5;
  cache::inventory_cache cache{context.get_executor(), nullptr, cache::inventory_cache_options{}};
  const cache::user_version changed[] = {{user_id{1}, version{6}}};
  cache.invalidate(changed);
  cache.invalidate_in_doubt(changed);
  CHECK(test::run_task(context, cache.reset("2026-11-22")));
  std::size_t done = 0;
  for (int i = 0; i < 100; ++i) {
    cache::inventory_cache::loader load = [&database] { return database.load(user_id{1}); };
    asio::co_spawn(context, cache.get(user_id{1}, net::deadline_in(10s), std::move(load)),
                   [&done](std::exception_ptr, result<cache::inventory_read> r) {
                     done += r->from == cache::source::miss && r->snapshot.at == version{5} ? 1U : 0U;
                   });
  }
  test::run_until(context, [&] { return done == 100; }, 10s);
  CHECK(database.loads == 2);
}
