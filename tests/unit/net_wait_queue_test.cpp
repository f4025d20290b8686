#include "coffer/net/wait_queue.hpp"

#include <vector>

#include "support/catch.hpp"
#include "support/run_task.hpp"

namespace net_wait_queue_test {

using namespace coffer;
using namespace std::chrono_literals;
using net::wait_result;

namespace {

net::task<> note(net::wait_queue* queue, net::deadline until, std::vector<std::pair<int, wait_result>>* notes,
                 int who) {
  const wait_result how = co_await queue->wait(until);
  notes->emplace_back(who, how);
}

struct fixture {
  void start(int who, std::chrono::milliseconds limit) {
    asio::co_spawn(context, note(&queue, net::deadline_in(limit), &notes, who), [](std::exception_ptr) {});
    context.restart();
    context.poll();
  }
  void settle() {
    context.restart();
    context.poll();
  }

  asio::io_context context{1};
  net::wait_queue queue{context.get_executor(), 3};
  std::vector<std::pair<int, wait_result>> notes;
};

using list = std::vector<std::pair<int, wait_result>>;

}  // namespace

TEST_CASE("waiters are woken in the order they came") {
  fixture f;
  CHECK_FALSE(f.queue.wake_one());
  f.start(1, 10s);
  f.start(2, 5s);
  CHECK(f.queue.size() == 2);
  CHECK(f.queue.wake_one());
  CHECK(f.notes.empty());
  f.settle();
  CHECK(f.notes == list{{1, wait_result::woken}});
  CHECK(f.queue.wake_one());
  f.settle();
  CHECK(f.notes.back() == std::pair{2, wait_result::woken});
  CHECK_FALSE(f.queue.wake_one());
}

TEST_CASE("a queue at its limit refuses at once") {
  fixture f;
  for (int who = 1; who <= 4; ++who) {
    f.start(who, 10s);
  }
  CHECK(f.notes == list{{4, wait_result::full}});
  CHECK(f.queue.size() == 3);
  f.queue.close();
  f.settle();
}

TEST_CASE("each waiter leaves at its own deadline, whatever the order") {
  fixture f;
  f.start(1, 500ms);
  f.start(2, 10s);
  f.start(3, 5ms);
  test::run_until(f.context, [&f] { return f.notes.size() == 2; }, 5s);
  CHECK(f.notes == list{{3, wait_result::timed_out}, {1, wait_result::timed_out}});
  CHECK(f.queue.size() == 1);
  CHECK(f.queue.wake_one());
  f.settle();
  CHECK(f.notes.back() == std::pair{2, wait_result::woken});
  f.start(4, 5ms);
  test::run_until(f.context, [&f] { return f.notes.size() == 4; }, 5s);
  CHECK(f.notes.back() == std::pair{4, wait_result::timed_out});
}

TEST_CASE("a deadline that has passed is a wait that timed out") {
  fixture f;
  f.start(1, -1ms);
  CHECK(f.notes == list{{1, wait_result::timed_out}});
}

TEST_CASE("closing ends every wait, those to come included") {
  fixture f;
  f.start(1, 10s);
  f.start(2, 10s);
  f.queue.close();
  f.settle();
  CHECK(f.notes == list{{1, wait_result::closed}, {2, wait_result::closed}});
  f.start(3, 10s);
  CHECK(f.notes.back() == std::pair{3, wait_result::closed});
  CHECK_FALSE(f.queue.wake_one());
}

TEST_CASE("nothing of a closed queue keeps a loop going") {
  fixture f;
  f.start(1, 60s);
  f.start(2, 90s);
  CHECK(f.queue.wake_one());
  f.queue.close();
  const auto began = std::chrono::steady_clock::now();
  f.context.restart();
  f.context.run_for(10s);  // or until there is nothing to do
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  CHECK(f.notes.size() == 2);
}

TEST_CASE("a waiter that was woken just before the queue dies is resumed") {
  asio::io_context context{1};
  list notes;
  {
    net::wait_queue queue{context.get_executor(), 3};
    asio::co_spawn(context, note(&queue, net::deadline_in(10s), &notes, 1), [](std::exception_ptr) {});
    asio::co_spawn(context, note(&queue, net::deadline_in(10s), &notes, 2), [](std::exception_ptr) {});
    context.poll();
    queue.wake_one();
  }
  context.restart();
  context.poll();
  CHECK(notes == list{{1, wait_result::woken}, {2, wait_result::closed}});
}

}  // namespace net_wait_queue_test
