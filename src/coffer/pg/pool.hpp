// A bounded set of connections that are lent out. The decisions are pool_state's; here is the waiting and connecting.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "coffer/net/task.hpp"
#include "coffer/pg/connection.hpp"
#include "coffer/pg/pool_state.hpp"

namespace coffer::pg {

class pool;

/// A borrowed connection. Gives it back when it dies: to the pool if it is idle, usable and not displaced, else to the
/// bin.
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
/// demand; failed attempts are repeated with back-off while anybody waits. May die before its leases do.
class pool {
 public:
  /// `name` is the label "pool" of its metrics; pools of several threads may share it.
  pool(net::executor ex, std::string name, options how, pool_limits limits = {});
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
