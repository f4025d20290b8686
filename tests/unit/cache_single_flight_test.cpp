#include "coffer/cache/single_flight.hpp"

#include <deque>
#include <stdexcept>
#include <string>

#include "coffer/net/oneshot.hpp"
#include "support/catch.hpp"

namespace cache_single_flight_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

using flight = cache::single_flight<int, int>;

/// Loads that end when the test says so.
struct loads {
  explicit loads(asio::io_context& c) : context{&c} {}

  net::task<int> load() {
    const std::size_t mine = slots.size();
    slots.emplace_back(context->get_executor());
    const int value = co_await slots[mine].wait();
    if (value < 0) {
      throw std::runtime_error{"load failed"};
    }
    co_return value;
  }
  flight::loader loader() {
    return [this] { return load(); };
  }

  asio::io_context* context;
  std::deque<net::oneshot<int>> slots;
};

/// A caller and what it got: "7", "wait: ..." or "error: ...".
struct caller {
  std::string got;
};

struct crowd {
  explicit crowd(std::size_t keys = 8, std::size_t waiters = 8) : crowd{cache::joins::next, keys, waiters} {}
  explicit crowd(cache::joins how, std::size_t keys = 8, std::size_t waiters = 8) : flights{how, keys, waiters} {}

  caller& call(int key, net::deadline until = net::deadline_in(1h)) {
    caller& c = callers.emplace_back();
    asio::co_spawn(context, flights.run(key, until, load.loader()), [&c](std::exception_ptr failed, int value) {
      try {
        if (failed) {
          std::rethrow_exception(failed);
        }
        c.got = std::to_string(value);
      } catch (const cache::wait_error&) {
        c.got = "wait";
      } catch (const std::exception& e) {
        c.got = e.what();
      }
    });
    run();
    return c;
  }
  void finish(std::size_t which, int value) {
    load.slots.at(which).set(value);
    run();
  }

  void run(std::chrono::milliseconds span = 0ms) {
    context.restart();
    context.run_for(span);
    context.poll();
  }

  asio::io_context context{1};
  loads load{context};
  flight flights;
  std::deque<caller> callers;
};

}  // namespace

TEST_CASE("those who come while a load runs share the next one") {
  crowd c;
  caller& first = c.call(1);
  caller& second = c.call(1);
  caller& third = c.call(1);
  CHECK(c.load.slots.size() == 1);
  c.finish(0, 10);
  CHECK(first.got == "10");
  CHECK(second.got.empty());
  REQUIRE(c.load.slots.size() == 2);
  caller& fourth = c.call(1);
  c.finish(1, 20);
  CHECK(second.got == "20");
  CHECK(third.got == "20");
  CHECK(fourth.got.empty());
  REQUIRE(c.load.slots.size() == 3);
  c.finish(2, 30);
  CHECK(fourth.got == "30");
  CHECK(c.flights.size() == 0);
  CHECK(c.flights.waiting() == 0);
}

TEST_CASE("loads of different keys run side by side") {
  crowd c;
  caller& one = c.call(1);
  caller& two = c.call(2);
  CHECK(c.load.slots.size() == 2);
  c.finish(1, 2);
  c.finish(0, 1);
  CHECK(one.got == "1");
  CHECK(two.got == "2");
}

TEST_CASE("an exception reaches everybody who shared the load, and nobody else") {
  crowd c;
  caller& first = c.call(1);
  caller& second = c.call(1);
  caller& third = c.call(1);
  c.finish(0, -1);
  CHECK(first.got == "load failed");
  CHECK(second.got.empty());
  c.finish(1, -1);
  CHECK(second.got == "load failed");
  CHECK(third.got == "load failed");
  caller& fourth = c.call(1);
  c.finish(2, 5);
  CHECK(fourth.got == "5");
}

TEST_CASE("a caller waits for others only until its deadline") {
  crowd c;
  caller& first = c.call(1);
  caller& hasty = c.call(1, net::deadline_in(0ms));
  caller& patient = c.call(1);
  c.run(20ms);
  CHECK(hasty.got == "wait");
  CHECK(c.flights.waiting() == 1);
  c.finish(0, 1);
  REQUIRE(c.load.slots.size() == 2);
  c.finish(1, 2);
  CHECK(first.got == "1");
  CHECK(patient.got == "2");
}

TEST_CASE("a round that everybody has left costs no load") {
  crowd c;
  c.call(1);
  caller& hasty = c.call(1, net::deadline_in(0ms));
  c.run(20ms);
  CHECK(hasty.got == "wait");
  c.finish(0, 1);
  CHECK(c.load.slots.size() == 1);
  CHECK(c.flights.size() == 0);
}

TEST_CASE("beyond the limit of waiters callers are refused") {
  crowd c{8, 2};
  c.call(1);
  caller& second = c.call(1);
  c.call(1);
  caller& fourth = c.call(1);
  CHECK(fourth.got == "wait");
  CHECK(second.got.empty());
  c.finish(0, 1);
  c.finish(1, 1);
  CHECK(c.flights.waiting() == 0);
}

TEST_CASE("beyond the limit of keys callers load by themselves") {
  crowd c{1, 8};
  c.call(1);
  caller& two = c.call(2);
  caller& another_two = c.call(2);
  CHECK(c.load.slots.size() == 3);
  c.finish(2, 22);
  CHECK(another_two.got == "22");
  CHECK(two.got.empty());
  c.finish(1, 2);
  c.finish(0, 1);
  CHECK(two.got == "2");
}

TEST_CASE("those who come while a load runs may share it, and later ones load anew") {
  crowd c{cache::joins::running};
  caller& first = c.call(1);
  caller& second = c.call(1);
  caller& third = c.call(1);
  CHECK(c.flights.loads(1));
  CHECK(!c.flights.loads(2));
  CHECK(c.load.slots.size() == 1);
  c.finish(0, 10);
  CHECK(first.got == "10");
  CHECK(second.got == "10");
  CHECK(third.got == "10");
  CHECK(!c.flights.loads(1));
  CHECK(c.flights.waiting() == 0);
  caller& late = c.call(1);
  REQUIRE(c.load.slots.size() == 2);
  c.finish(1, 20);
  CHECK(late.got == "20");
}

TEST_CASE("running loads of different keys that are shared run side by side") {
  crowd c{cache::joins::running};
  caller& one = c.call(1);
  caller& two = c.call(2);
  REQUIRE(c.load.slots.size() == 2);
  c.finish(1, 2);
  c.finish(0, 1);
  CHECK(one.got == "1");
  CHECK(two.got == "2");
}

TEST_CASE("the exception of a running load reaches all who waited, and nobody after them") {
  crowd c{cache::joins::running};
  caller& first = c.call(1);
  caller& second = c.call(1);
  c.finish(0, -1);
  CHECK(first.got == "load failed");
  CHECK(second.got == "load failed");
  caller& third = c.call(1);
  c.finish(1, 3);
  CHECK(third.got == "3");
}

TEST_CASE("a caller waits for a running load only until its deadline, and the others go on waiting") {
  crowd c{cache::joins::running};
  caller& first = c.call(1);
  caller& hasty = c.call(1, net::deadline_in(20ms));
  caller& too_late = c.call(1, net::deadline_in(-1ms));
  caller& patient = c.call(1);
  CHECK(too_late.got == "wait");
  CHECK(hasty.got.empty());
  c.run(50ms);
  CHECK(hasty.got == "wait");
  CHECK(patient.got.empty());
  c.finish(0, 1);
  CHECK(first.got == "1");
  CHECK(patient.got == "1");
}

TEST_CASE("only so many may wait for a running load") {
  crowd c{cache::joins::running, 8, 2};
  c.call(1);
  caller& second = c.call(1);
  caller& third = c.call(1);
  caller& fourth = c.call(1);
  CHECK(fourth.got == "wait");
  c.finish(0, 1);
  CHECK(second.got == "1");
  CHECK(third.got == "1");
}

TEST_CASE("what merges loads may be gone while somebody waits") {
  for (const auto how : {cache::joins::running, cache::joins::next}) {
    crowd c{how};
    c.call(1);
    caller& second = c.call(1);
    c.flights = flight{how, 8, 8};
    c.run();
    CHECK(second.got.empty());
    // Destroying the context with both callers in it is the rest of the test.
  }
}

}  // namespace cache_single_flight_test
