// A bounded set of connections that are lent out. The decisions are pool_state's; here is the waiting and connecting.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "coffer/net/task.hpp"
#include "coffer/pg/connection.hpp"

namespace coffer::pg {

/// The limits of a pool.
struct pool_limits {
  /// The most connections, connecting ones included.
  std::size_t size = 8;
  /// The most callers that wait for one; further ones are refused at once.
  std::size_t max_waiting = 1024;
  /// A connection older than this (less up to a tenth, so that they do not all end together) is replaced when it is
  /// returned: a promoted or rebalanced server gets its share again.
  std::chrono::milliseconds max_age{std::chrono::minutes{30}};
  /// The first pause after a failed connect; doubled at each further one up to max_backoff, with jitter of a half.
  std::chrono::milliseconds min_backoff{50};
  std::chrono::milliseconds max_backoff{1000};
};

/// A snapshot of a pool.
struct pool_stats {
  std::size_t idle = 0;
  std::size_t leased = 0;
  std::size_t connecting = 0;
  std::size_t waiting = 0;
};

class pool;

/// A borrowed connection. Gives it back when it dies: to the pool if it is idle and usable, else to the bin.
class lease {
 public:
  lease() noexcept;
  lease(lease&& other) noexcept;
  lease& operator=(lease&& other) noexcept;
  ~lease();

  connection* operator->() const noexcept { return connection_.get(); }
  connection& operator*() const noexcept { return *connection_; }
  explicit operator bool() const noexcept { return connection_ != nullptr; }

  /// Gives the connection back early.
  void release() noexcept;
  /// Closes the connection instead of giving it back.
  void discard() noexcept;

 private:
  friend class pool;
  struct owner;
  lease(std::shared_ptr<owner> from, std::size_t slot, std::unique_ptr<connection> c) noexcept;

  std::shared_ptr<owner> owner_;
  std::size_t slot_ = 0;
  std::unique_ptr<connection> connection_;
};

/// Lends connections of one server to the coroutines of one thread, first come first served. Connections are made on
/// demand; failed attempts are repeated with back-off while anybody waits.
class pool {
 public:
  /// `name` is the metric label and has static storage.
  pool(net::executor ex, std::string name, options how, pool_limits limits);
  ~pool();
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  /// A live, idle connection. Throws error{failure::exhausted} when too many wait already or none came free until the
  /// deadline, failure::connect with the last SQLSTATE when none could be made until then, failure::closed after
  /// close(). All of them with delivery::not_sent.
  net::task<lease> acquire(net::deadline until);

  /// Refuses new and waiting callers, closes idle connections and waits until the lent ones are back or the deadline
  /// passes; those that come back later are closed on return.
  net::task<> close(net::deadline until);

  [[nodiscard]] pool_stats stats() const;

 private:
  std::shared_ptr<lease::owner> owner_;
};

}  // namespace coffer::pg
