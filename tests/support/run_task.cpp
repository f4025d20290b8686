#include "support/run_task.hpp"

namespace coffer::test {

void run_until(asio::io_context& context, const std::function<bool()>& done, std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  context.restart();
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end) {
      throw std::runtime_error("the coroutine did not finish in time");
    }
    if (context.run_one_for(std::chrono::milliseconds{50}) == 0 && context.stopped()) {
      context.restart();
    }
  }
  context.restart();
  context.poll();
}

void run_task(asio::io_context& context, net::task<> t, std::chrono::seconds limit) {
  std::exception_ptr failure;
  bool done = false;
  asio::co_spawn(context, std::move(t), [&](std::exception_ptr e) {
    failure = e;
    done = true;
  });
  run_until(context, [&] { return done; }, limit);
  if (failure) {
    std::rethrow_exception(failure);
  }
}

}  // namespace coffer::test
