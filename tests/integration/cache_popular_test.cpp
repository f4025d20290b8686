#include "coffer/cache/popular_cache.hpp"

#include <deque>
#include <stdexcept>
#include <thread>

#include "coffer/cache/wait_error.hpp"
#include "coffer/net/oneshot.hpp"
#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/run_task.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// Computations that are counted, and held back when the test wants.
struct computation {
  explicit computation(asio::io_context& c) : context{&c} {}

  net::task<std::string> run() {
    const int mine = ++count;
    if (hold) {
      gates.emplace_back(context->get_executor());
      co_await gates.back().wait();
    }
    if (fail) {
      throw std::runtime_error{"no database"};
    }
    co_return "{\"n\":" + std::to_string(mine) + "}";
  }

  asio::io_context* context;
  int count = 0;
  bool hold = false;
  bool fail = false;
  std::deque<net::oneshot<bool>> gates;
};

struct thread_of_server {
  thread_of_server(asio::io_context& c, const std::string& url, const std::string& prefix,
                   std::chrono::milliseconds ttl)
      : context{c}, compute{c} {
    if (!url.empty()) {
      client.emplace(c.get_executor(), test::patient(url));
      test::run_until(c, [this] { return client->available(); }, 10s);
    }
    cache::popular_cache_options how{prefix};
    how.ttl = ttl;
    how.retry_after = 0ms;
    how.early_refresh = 0.5;
    cache::popular_cache::loader load = [this] { return compute.run(); };
    cache.emplace(client ? &*client : nullptr, how, std::move(load));
  }

  std::string get() { return test::run_task(context, cache->get(net::deadline_in(10s))); }
  void start(std::string& into) {
    asio::co_spawn(context, cache->get(net::deadline_in(10s)),
                   [&into](std::exception_ptr failed, std::string got) { into = failed ? "failed" : got; });
  }
  /// Waits until redis has executed what was sent.
  void settle() {
    test::run_until(context, [this] { return client->pending() == 0; }, 10s);
  }

  asio::io_context& context;
  computation compute;
  std::optional<redis::client> client;
  std::optional<cache::popular_cache> cache;
};

}  // namespace

TEST_CASE("the popular products are computed once, for all threads and processes") {
  asio::io_context context{1};
  const std::string prefix = test::unique_prefix();
  thread_of_server a{context, test::redis_url(), prefix, 1h};
  thread_of_server b{context, test::redis_url(), prefix, 1h};
  CHECK(a.get() == "{\"n\":1}");
  CHECK(a.get() == "{\"n\":1}");
  a.settle();
  CHECK(b.get() == "{\"n\":1}");
  CHECK(a.compute.count == 1);
  CHECK(b.compute.count == 0);
  const auto ttl = test::run_task(context, a.client->command({"PTTL", prefix + "popular"}));
  CHECK(ttl->integer > 3'590'000);
  CHECK(ttl->integer <= 3'600'000);
}

TEST_CASE("a crowd that finds no popular products waits for one computation") {
  asio::io_context context{1};
  thread_of_server a{context, test::redis_url(), test::unique_prefix(), 1h};
  std::deque<std::string> got(200);
  for (std::string& g : got) {
    a.start(g);
  }
  test::run_until(context, [&] { return got.back() != ""; }, 10s);
  for (const std::string& g : got) {
    CHECK(g == "{\"n\":1}");
  }
  CHECK(a.compute.count == 1);
}

TEST_CASE("a computation that fails reaches those who wait, and the next caller tries again") {
  asio::io_context context{1};
  thread_of_server a{context, test::redis_url(), test::unique_prefix(), 1h};
  a.compute.fail = true;
  CHECK_THROWS_AS(a.get(), std::runtime_error);
  a.compute.fail = false;
  CHECK(a.get() == "{\"n\":2}");
}

TEST_CASE("without redis each thread computes the popular products once") {
  asio::io_context context{1};
  thread_of_server a{context, "", "x:", 1h};
  for (int i = 0; i < 10; ++i) {
    CHECK(a.get() == "{\"n\":1}");
  }
  CHECK(a.compute.count == 1);
}

TEST_CASE("a redis that went away leaves the popular products in the process") {
  asio::io_context context{1};
  test::redis_server server;
  thread_of_server a{context, server.url(), "x:", 1h};
  CHECK(a.get() == "{\"n\":1}");
  server.kill();
  for (int i = 0; i < 10; ++i) {
    CHECK(a.get() == "{\"n\":1}");
  }
  CHECK(a.compute.count == 1);
}

TEST_CASE("near the end of the TTL one caller computes again while the others get the old document") {
  asio::io_context context{1};
  constexpr auto ttl = 4s;
  thread_of_server a{context, test::redis_url(), test::unique_prefix(), ttl};
  CHECK(a.get() == "{\"n\":1}");
  std::this_thread::sleep_for(ttl * 3 / 4 + 50ms);
  a.compute.hold = true;
  std::string refresher;
  a.start(refresher);
  test::run_until(context, [&] { return a.compute.count == 2; }, 10s);
  CHECK(a.get() == "{\"n\":1}");
  CHECK(a.get() == "{\"n\":1}");
  CHECK(a.compute.count == 2);
  a.compute.gates.front().set(true);
  test::run_until(context, [&] { return !refresher.empty(); }, 10s);
  CHECK(a.get() == "{\"n\":2}");
}

TEST_CASE("an early refresh takes what another process has computed, and outlives a failure") {
  asio::io_context context{1};
  constexpr auto ttl = 4s;
  const std::string prefix = test::unique_prefix();
  thread_of_server a{context, test::redis_url(), prefix, ttl};
  thread_of_server b{context, test::redis_url(), prefix, ttl};
  CHECK(a.get() == "{\"n\":1}");
  a.settle();
  CHECK(b.get() == "{\"n\":1}");
  std::this_thread::sleep_for(ttl * 3 / 4 + 50ms);
  a.compute.fail = true;
  CHECK(a.get() == "{\"n\":1}");
  CHECK(a.compute.count == 2);
  a.compute.fail = false;
  CHECK(a.get() == "{\"n\":3}");
  a.settle();
  CHECK(b.get() == "{\"n\":3}");
  CHECK(b.compute.count == 0);
}

TEST_CASE("popular products past their TTL are never served, wherever they lie") {
  asio::io_context context{1};
  const std::string prefix = test::unique_prefix();
  thread_of_server a{context, test::redis_url(), prefix, 300ms};
  CHECK(a.get() == "{\"n\":1}");
  a.settle();
  // The copy in redis outlives its TTL.
  test::run_task(context, a.client->command({"PERSIST", prefix + "popular"}));
  std::this_thread::sleep_for(310ms);
  a.compute.fail = true;
  CHECK_THROWS_AS(a.get(), std::runtime_error);
  a.compute.fail = false;
  CHECK(a.get() == "{\"n\":3}");
}

TEST_CASE("garbage in place of the popular products is ignored and replaced") {
  asio::io_context context{1};
  const std::string prefix = test::unique_prefix();
  redis::client client{context.get_executor(), test::patient(test::redis_url())};
  const std::string garbage =
      GENERATE(std::string{""}, std::string{"P"}, std::string{"P x\n{}"}, std::string{"P 1"}, std::string{"P -5\n{}"},
               std::string{"P 99999999999999999999\n{}"}, std::string{"P 9223372036854775807\n{}"},
               std::string{"P 1\n{}"}, std::string{"P 9999999999999\n{\"n\":9}"}, std::string{"{}"});
  CAPTURE(garbage);
  test::run_task(context, client.command({"SET", prefix + "popular", garbage}));
  {
    thread_of_server a{context, test::redis_url(), prefix, 1h};
    CHECK(a.get() == "{\"n\":1}");
    a.settle();
  }
  thread_of_server b{context, test::redis_url(), prefix, 1h};
  CHECK(b.get() == "{\"n\":1}");
  CHECK(b.compute.count == 0);
}

TEST_CASE("a caller waits for the popular products only until its deadline") {
  asio::io_context context{1};
  thread_of_server a{context, "", "x:", 1h};
  a.compute.hold = true;
  std::string first;
  a.start(first);
  test::run_until(context, [&] { return a.compute.count == 1; }, 10s);
  CHECK_THROWS_AS(test::run_task(context, a.cache->get(net::deadline_in(20ms))), cache::wait_error);
  a.compute.gates.front().set(true);
  test::run_until(context, [&] { return !first.empty(); }, 10s);
  CHECK(first == "{\"n\":1}");
}
