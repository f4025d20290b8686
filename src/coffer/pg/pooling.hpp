// Finds out whether a pooler stands between us and PostgreSQL, and how it shares sessions.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "coffer/pg/connection.hpp"

namespace coffer::pg {

/// What a session of ours is worth.
enum class pooling : std::uint8_t {
  none,         ///< it is PostgreSQL's own
  session,      ///< a pooler lends us one as long as we are connected
  transaction,  ///< a pooler lends us another for each transaction: nothing that is set or prepared stays
};

namespace detail {

inline constexpr statement read_backend{"pooling_backend", "select pg_backend_pid()"};
inline constexpr statement begin_hold{"pooling_begin", "begin"};
inline constexpr statement end_hold{"pooling_end", "rollback"};

inline net::task<std::int32_t> backend_of(connection* session, net::deadline until) {
  const rows found = co_await session->query(read_backend, until);
  co_return found.int32(0, 0);
}

}  // namespace detail

/// Opens one connection, and a second one if a pooler answers. Throws error.
inline net::task<pooling> find_pooling(net::executor ex, options how, net::deadline until) {
  how.prepared = false;  // leaves nothing behind in a session that may be lent to others
  options again = how;
  const std::unique_ptr<connection> first = co_await connection::open(ex, std::move(how), until);
  const std::int32_t lent = co_await detail::backend_of(first.get(), until);
  if (lent == first->backend_pid()) {
    co_return pooling::none;
  }
  // A pooler tells a number of its own. In session mode the first session keeps its backend. In transaction mode the
  // second one's transaction takes it, or takes another, and then the first is lent a third; unless others came in
  // between. A pooler lends the backend that came back last, or the one that came back first (server_round_robin), so
  // the first one's comes back last before every other look. One that is far away is looked at less often: a look is
  // three or four round trips.
  constexpr int looks = 8, fewest = 2;
  const net::deadline enough = std::chrono::steady_clock::now() + (until - std::chrono::steady_clock::now()) / 2;
  const std::unique_ptr<connection> second = co_await connection::open(ex, std::move(again), until);
  for (int look = 0; look < looks && (look < fewest || std::chrono::steady_clock::now() < enough); ++look) {
    if (look % 2 == 0) {
      const std::int32_t lent_now = co_await detail::backend_of(first.get(), until);
      if (lent_now != lent) {
        co_return pooling::transaction;
      }
    }
    pipeline hold;
    hold.add(detail::begin_hold).add(detail::read_backend);
    const std::vector<rows> held = co_await second->run(std::move(hold), until);
    const std::int32_t taken = held.at(1).int32(0, 0);
    const std::int32_t lent_now = co_await detail::backend_of(first.get(), until);
    const rows ended = co_await second->query(detail::end_hold, until);
    if (taken == lent || lent_now != lent) {
      co_return pooling::transaction;
    }
  }
  co_return pooling::session;
}

}  // namespace coffer::pg
