#include "coffer/cache/shared_load.hpp"

#include <deque>
#include <stdexcept>
#include <string>

#include "coffer/net/oneshot.hpp"
#include "support/catch.hpp"

namespace cache_shared_load_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

using shared = cache::shared_load<int, int>;

/// Callers of loads that end when the test says so: the value, or an exception for a negative one.
struct crowd {
  explicit crowd(std::size_t waiters = 8) : of{std::in_place, waiters} {}

  net::task<int> load() {
    const std::size_t mine = slots.size();
    slots.emplace_back(context.get_executor());
    const int value = co_await slots[mine].wait();
    if (value < 0) {
      throw std::runtime_error{"load failed"};
    }
    co_return value;
  }

  std::string& call(int key, net::deadline until = net::deadline_in(1h)) {
    std::string& got = answers.emplace_back();
    shared::loader loader = [this] { return load(); };
    asio::co_spawn(context, of->run(key, until, std::move(loader)), [&got](std::exception_ptr failed, int value) {
      try {
        if (failed) {
          std::rethrow_exception(failed);
        }
        got = std::to_string(value);
      } catch (const cache::wait_error&) {
        got = "wait";
      } catch (const std::exception& e) {
        got = e.what();
      }
    });
    run();
    return got;
  }
  void finish(std::size_t which, int value) {
    slots.at(which).set(value);
    run();
  }
  void run(std::chrono::milliseconds span = 0ms) {
    context.restart();
    context.run_for(span);
    context.poll();
  }

  asio::io_context context{1};
  std::deque<net::oneshot<int>> slots;
  std::deque<std::string> answers;
  std::optional<shared> of;
};

}  // namespace

TEST_CASE("those who come while a load runs share it, and later ones load anew") {
  crowd c;
  const std::string& first = c.call(1);
  const std::string& second = c.call(1);
  const std::string& third = c.call(1);
  CHECK(c.of->loads(1));
  CHECK(!c.of->loads(2));
  CHECK(c.slots.size() == 1);
  c.finish(0, 10);
  CHECK(first == "10");
  CHECK(second == "10");
  CHECK(third == "10");
  CHECK(!c.of->loads(1));
  const std::string& late = c.call(1);
  REQUIRE(c.slots.size() == 2);
  c.finish(1, 20);
  CHECK(late == "20");
}

TEST_CASE("shared loads of different keys run side by side") {
  crowd c;
  const std::string& one = c.call(1);
  const std::string& two = c.call(2);
  REQUIRE(c.slots.size() == 2);
  c.finish(1, 2);
  c.finish(0, 1);
  CHECK(one == "1");
  CHECK(two == "2");
}

TEST_CASE("the exception of a shared load reaches all who waited, and nobody after them") {
  crowd c;
  const std::string& first = c.call(1);
  const std::string& second = c.call(1);
  c.finish(0, -1);
  CHECK(first == "load failed");
  CHECK(second == "load failed");
  const std::string& third = c.call(1);
  c.finish(1, 3);
  CHECK(third == "3");
}

TEST_CASE("a caller waits for another's load only until its deadline, and the others go on waiting") {
  crowd c;
  const std::string& first = c.call(1);
  const std::string& hasty = c.call(1, net::deadline_in(20ms));
  const std::string& too_late = c.call(1, net::deadline_in(-1ms));
  const std::string& patient = c.call(1);
  CHECK(too_late == "wait");
  CHECK(hasty.empty());
  c.run(50ms);
  CHECK(hasty == "wait");
  CHECK(patient.empty());
  c.finish(0, 1);
  CHECK(first == "1");
  CHECK(patient == "1");
}

TEST_CASE("only so many may wait for a shared load") {
  crowd c{2};
  c.call(1);
  const std::string& second = c.call(1);
  const std::string& third = c.call(1);
  const std::string& fourth = c.call(1);
  CHECK(fourth == "wait");
  c.finish(0, 1);
  CHECK(second == "1");
  CHECK(third == "1");
}

TEST_CASE("a shared load may be gone while somebody waits for it") {
  crowd c;
  c.call(1);
  const std::string& second = c.call(1);
  c.of.reset();
  CHECK(second.empty());
  // Destroying the context with both callers in it is the test.
}

}  // namespace cache_shared_load_test
