// Threads that start a task at the same moment.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <latch>
#include <thread>
#include <type_traits>
#include <vector>

namespace coffer::test {

/// Runs `work(0)` ... `work(count - 1)`, each on its own thread, released together, and waits for all. Rethrows the
/// exception of the lowest index that threw. An assertion in `work` ends the program (catch_main.cpp): return values by
/// index (see parallel_map) and check them afterwards.
inline void parallel(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::latch start{static_cast<std::ptrdiff_t>(count)};
  std::vector<std::exception_ptr> failures(count);
  {
    std::vector<std::jthread> threads;
    threads.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        try {
          work(i);
        } catch (...) {
          failures[i] = std::current_exception();
        }
      });
    }
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) {
      std::rethrow_exception(failure);
    }
  }
}

/// As parallel(), collecting what `work(i)` gives, in order. The result type must be default-constructible.
template <typename Work>
auto parallel_map(std::size_t count, Work work) {
  using value = decltype(work(std::size_t{}));
  static_assert(!std::is_same_v<value, bool>, "the elements of vector<bool> share bytes: return an int");
  std::vector<value> results(count);
  parallel(count, [&](std::size_t i) { results[i] = work(i); });
  return results;
}

}  // namespace coffer::test
