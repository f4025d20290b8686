// Borrowing a connection for one piece of work outside the lanes.
#pragma once

#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

#include "coffer/pg/attempts.hpp"
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

/// Runs `work(connection)`, one transaction at most, on a borrowed connection. Work that had sent nothing when its
/// connection turned out dead is run again until it meets one that was opened meanwhile, and once more if that one is
/// lost; so is work that only reads (`repeatable`), wherever the connection was lost, and nothing is ever said to be
/// unknown of it. Work of which a statement was refused in a way that spoils the
/// connection was undone, and what a displaced server lets us read may be old: both are run again until they meet a
/// connection that was opened meanwhile. Those of a pool may all have prepared what a migration changed.
template <typename Work>
net::task<work_result<Work>> with_connection(pg::pool& from, net::deadline until, bool repeatable, Work work) {
  const auto begun = std::chrono::steady_clock::now();
  for (bool lost_before = false;;) {
    std::optional<pg::error> failure;
    bool from_before = false;
    {
      pg::lease db = co_await from.acquire(until);
      from_before = db->opened_at() < begun;
      try {
        if constexpr (std::is_void_v<work_result<Work>>) {
          co_return co_await work(*db);
        } else {
          work_result<Work> done = co_await work(*db);
          if (!repeatable || !from_before || !db->displaced()) {
            co_return done;
          }
        }
      } catch (const pg::error& e) {
        failure.emplace(e);
      }
    }
    if (!failure) {
      continue;
    }
    pg::failed_attempts::get().note(*failure);
    const bool spoiled = failure->kind() == pg::failure::statement && !failure->connection_usable();
    const bool untouched = failure->delivered() == pg::delivery::not_sent;
    const bool lost = failure->kind() == pg::failure::lost || pg::is_server_unavailable(failure->state());
    const bool again = spoiled ? from_before : lost && (untouched || repeatable) && (from_before || !lost_before);
    if (!again) {
      throw repeatable ? failure->without_effect() : *failure;
    }
    lost_before = lost_before || !from_before;
  }
}

}  // namespace coffer::service
