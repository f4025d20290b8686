#include "coffer/ledger/command_queue.hpp"

#include <deque>
#include <map>
#include <thread>

#include "support/catch.hpp"

namespace ledger_command_queue_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// A queue with callers, known by their users' ids.
struct fixture {
  fixture(std::size_t limit, std::chrono::milliseconds patience) : queue{context.get_executor(), limit, patience} {}

  /// `size` callers that come together, with the ids behind `first`.
  void come(std::int64_t first, std::size_t size = 1) {
    std::vector<ledger::pending*> group;
    for (std::size_t i = 0; i < size; ++i) {
      domain::command c;
      c.user = user_id{first + static_cast<std::int64_t>(i)};
      c.idempotency_key = "k";
      c.together = i == 0 ? size : 1;
      ledger::pending& p = callers.emplace_back(std::move(c), net::deadline_in(10s), context.get_executor());
      group.push_back(&p);
      asio::co_spawn(context, wait(p), [](std::exception_ptr) {});
    }
    queue.push(group);
    settle();
  }

  net::task<> wait(ledger::pending& p) {
    const domain::verdict v = co_await p.answer.wait();
    answers.emplace_back(p.command.user.value, v ? errc::internal : v.error().code);
  }

  std::vector<std::int64_t> take(std::size_t most) {
    std::vector<std::int64_t> ids;
    for (ledger::pending* p : queue.take(most)) {
      ids.push_back(p->command.user.value);
      p->answer.set(std::unexpected(error{errc::internal}));
    }
    settle();
    answers.clear();
    return ids;
  }

  /// Runs until so many have been answered, for 5 s at most.
  void run_until_answered(std::size_t count) {
    context.restart();
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (answers.size() < count && std::chrono::steady_clock::now() < end) {
      context.run_one_for(100ms);
    }
  }

  void settle() {
    context.restart();
    context.poll();
  }

  asio::io_context context{1};
  std::deque<ledger::pending> callers;
  std::vector<std::pair<std::int64_t, errc>> answers;
  ledger::command_queue queue;
};

using ids = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("who comes when the queue is full is let in as soon as there is room, in order") {
  fixture f{3, 10s};
  for (std::int64_t id = 1; id <= 6; ++id) {
    f.come(id);
  }
  CHECK(f.answers.empty());
  CHECK(f.queue.holds({.user = user_id{6}, .key = "k"}));
  CHECK_FALSE(f.queue.holds({.user = user_id{6}, .key = "other"}));
  CHECK(f.take(2) == ids{1, 2});
  // Room for one; 6 still waits, and 7 behind it.
  f.come(7);
  CHECK(f.take(10) == ids{3, 4, 5});
  CHECK(f.take(10) == ids{6, 7});
  CHECK(f.queue.empty());
  CHECK_FALSE(f.queue.holds({.user = user_id{6}, .key = "k"}));
  f.come(8);
  CHECK(f.take(1) == ids{8});
}

TEST_CASE("who waits too long is refused, and who finds as many waiting at once") {
  fixture f{2, 30ms};
  const auto began = std::chrono::steady_clock::now();
  for (std::int64_t id = 1; id <= 5; ++id) {
    f.come(id);
  }
  CHECK(f.answers == decltype(f.answers){{5, errc::overloaded}});
  f.run_until_answered(3);
  CHECK(std::chrono::steady_clock::now() - began >= 30ms);
  CHECK(std::chrono::steady_clock::now() - began < 4s);
  CHECK(f.answers == decltype(f.answers){{5, errc::overloaded}, {3, errc::overloaded}, {4, errc::overloaded}});
  CHECK(f.take(10) == ids{1, 2});
  CHECK(f.queue.empty());
}

TEST_CASE("a group that waits for much room keeps nobody out once it is refused") {
  fixture f{4, 200ms};
  f.come(10, 3);
  f.come(20, 2);
  f.run_until_answered(1);
  f.come(30);
  CHECK(f.answers == decltype(f.answers){{20, errc::overloaded}, {21, errc::overloaded}});
  CHECK(f.take(10) == ids{10, 11, 12, 30});
  f.come(40, 3);
  f.come(50, 2);
  std::this_thread::sleep_for(100ms);
  f.come(60);
  f.run_until_answered(2);
  // 60 has been let in without anything having been taken, and outlasts its own time.
  std::this_thread::sleep_for(250ms);
  f.settle();
  CHECK(f.answers.size() == 2);
  CHECK(f.take(10) == ids{40, 41, 42, 60});
}

TEST_CASE("a group that is larger than the queue is taken when nothing else is there") {
  fixture f{2, 10s};
  f.come(10, 5);
  f.come(20, 3);
  CHECK(f.answers.size() == 3);
  f.come(30);
  CHECK(f.take(2) == ids{10, 11, 12, 13, 14});
  CHECK(f.take(2) == ids{30});
  CHECK(f.queue.empty());
}

TEST_CASE("groups wait, come in, are taken and are refused whole") {
  fixture f{4, 30ms};
  f.come(10, 3);
  f.come(20, 3);
  // There is room in the queue, and somebody is first.
  f.come(30);
  f.come(40, 5);
  CHECK(f.answers.size() == 5);
  CHECK(f.take(2) == ids{10, 11, 12});
  CHECK(f.take(4) == ids{20, 21, 22, 30});
  f.come(50, 3);
  f.come(60, 2);
  f.come(70, 3);
  CHECK(f.answers == decltype(f.answers){{70, errc::overloaded}, {71, errc::overloaded}, {72, errc::overloaded}});
  f.run_until_answered(5);
  CHECK(f.answers.size() == 5);
  CHECK(f.answers.back() == std::pair<std::int64_t, errc>{61, errc::overloaded});
  CHECK(f.take(10) == ids{50, 51, 52});
}

}  // namespace ledger_command_queue_test
