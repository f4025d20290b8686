// Runs a coroutine to its end on a private io_context.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>

#include "coffer/net/task.hpp"

namespace coffer::test {

/// Runs `context` until `done()` holds; throws std::runtime_error when `limit` passes first.
inline void run_until(asio::io_context& context, const std::function<bool()>& done, std::chrono::seconds limit) {
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

/// Runs `t` on `context` and gives its result, rethrowing what it throws. Work left on the context (closing
/// connections) is polled out, not waited for.
template <typename T>
T run_task(asio::io_context& context, net::task<T> t, std::chrono::seconds limit = std::chrono::seconds{30}) {
  std::optional<T> value;
  std::exception_ptr failure;
  bool done = false;
  asio::co_spawn(context, std::move(t), [&](std::exception_ptr e, T v) {
    failure = e;
    if (!e) {
      value.emplace(std::move(v));
    }
    done = true;
  });
  run_until(context, [&] { return done; }, limit);
  if (failure) {
    std::rethrow_exception(failure);
  }
  return std::move(*value);
}

/// As above, for a coroutine without a result.
inline void run_task(asio::io_context& context, net::task<> t, std::chrono::seconds limit = std::chrono::seconds{30}) {
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
