#include "coffer/net/oneshot.hpp"

#include <thread>

#include "support/catch.hpp"
#include "support/run_task.hpp"

namespace net_oneshot_test {

using namespace coffer;

namespace {

net::task<int> wait_on(net::oneshot<int>* slot) { co_return co_await slot->wait(); }

}  // namespace

TEST_CASE("a oneshot hands over a value that was set before the wait") {
  asio::io_context context{1};
  net::oneshot<int> slot{context.get_executor()};
  slot.set(7);
  CHECK(test::run_task(context, wait_on(&slot)) == 7);
}

TEST_CASE("a oneshot resumes its waiter when another thread sets it") {
  asio::io_context context{1};
  net::oneshot<int> slot{context.get_executor()};
  std::jthread setter{[&] { slot.set_from_any_thread(11); }};
  CHECK(test::run_task(context, wait_on(&slot)) == 11);
}

}  // namespace net_oneshot_test
