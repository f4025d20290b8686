// Runs one coroutine to its end on an io_context of its own, for commands that do one thing and exit.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include "coffer/net/task.hpp"

namespace coffer::app {

/// Blocks until `work` is done; gives its result or rethrows what it throws. The coroutine must carry its own
/// deadlines.
template <typename T>
T run_blocking(net::task<T> work) {
  asio::io_context context{1};
  std::optional<T> value;
  std::exception_ptr failure;
  asio::co_spawn(context, std::move(work), [&](std::exception_ptr e, T v) {
    failure = e;
    if (!e) {
      value.emplace(std::move(v));
    }
  });
  context.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
  return std::move(*value);
}

}  // namespace coffer::app
