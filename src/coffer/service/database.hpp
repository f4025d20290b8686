// Borrowing a connection for one piece of work outside the lanes.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "coffer/pg/pool.hpp"

namespace coffer::service {

namespace detail {
template <typename T>
struct task_value;
template <typename T>
struct task_value<net::task<T>> {
  using type = T;
};
}  // namespace detail

/// What the task that `Work` makes from a connection yields.
template <typename Work>
using work_result = typename detail::task_value<std::invoke_result_t<Work&, pg::connection&>>::type;

/// Runs `work(connection)` on a borrowed connection. Work that had sent nothing when its connection turned out dead is
/// run once more; so is work that only reads (`repeatable`), wherever the connection was lost.
template <typename Work>
net::task<work_result<Work>> with_connection(pg::pool& from, net::deadline until, bool repeatable, Work work) {
  for (bool retried = false;; retried = true) {
    std::optional<pg::error> failure;
    {
      pg::lease db = co_await from.acquire(until);
      try {
        co_return co_await work(*db);
      } catch (const pg::error& e) {
        failure.emplace(e);
      }
    }
    const bool untouched = failure->delivered() == pg::delivery::not_sent;
    const bool lost = failure->kind() == pg::failure::lost || pg::is_server_unavailable(failure->state());
    if (retried || !lost || !(untouched || repeatable)) {
      throw *failure;
    }
  }
}

}  // namespace coffer::service
