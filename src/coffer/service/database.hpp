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

/// How many connections one piece of work may spoil: those of a pool can all have prepared what a migration changed.
inline constexpr int spoiled_connections = 8;

/// Runs `work(connection)`, one transaction at most, on a borrowed connection. Work that had sent nothing when its
/// connection turned out dead is run once more; so is work that only reads (`repeatable`), wherever the connection was
/// lost. Work of which a statement was refused in a way that spoils the connection was undone, and is run again.
template <typename Work>
net::task<work_result<Work>> with_connection(pg::pool& from, net::deadline until, bool repeatable, Work work) {
  for (int attempt = 1;; ++attempt) {
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
    const bool spoiled = failure->kind() == pg::failure::statement && !failure->connection_usable();
    const bool again =
        (lost && (untouched || repeatable) && attempt == 1) || (spoiled && attempt <= spoiled_connections);
    if (!again) {
      throw *failure;
    }
  }
}

}  // namespace coffer::service
