#include "coffer/pg/pool.hpp"

#include <array>
#include <chrono>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/net/task_group.hpp"
#include "coffer/net/wait_queue.hpp"
#include "coffer/net/watchdog.hpp"
#include "coffer/pg/attempts.hpp"

namespace coffer::pg {

namespace {

using clock = std::chrono::steady_clock;

/// Closing waits in a queue of its own; several parts of a process may close the same pool.
constexpr std::size_t max_closers = 16;

metrics::gauge connections_gauge(const std::string& pool, const char* state) {
  return metrics::make_gauge("coffer_pg_connections", "Connections to PostgreSQL by state",
                             {{"pool", pool}, {"state", state}});
}

metrics::counter closed_counter(const std::string& pool, const char* reason) {
  return metrics::make_counter("coffer_pg_connections_closed_total", "Connections to PostgreSQL ended by this process",
                               {{"pool", pool}, {"reason", reason}});
}

metrics::counter refused_counter(const std::string& pool, const char* reason) {
  return metrics::make_counter("coffer_pg_acquire_refused_total", "Callers that got no connection",
                               {{"pool", pool}, {"reason", reason}});
}

/// The series of one pool.
struct pool_metrics {
  explicit pool_metrics(const std::string& pool)
      : idle{connections_gauge(pool, "idle")},
        leased{connections_gauge(pool, "leased")},
        connecting{connections_gauge(pool, "connecting")},
        waiting{
            metrics::make_gauge("coffer_pg_acquire_waiting", "Callers that wait for a connection", {{"pool", pool}})},
        wait_seconds{metrics::make_histogram("coffer_pg_acquire_seconds", "Time that callers waited for a connection",
                                             {0.0001, 0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5}, {{"pool", pool}})},
        connects{metrics::make_counter("coffer_pg_connects_total", "Connections made to PostgreSQL", {{"pool", pool}})},
        expired{closed_counter(pool, "expired")},
        broken{closed_counter(pool, "broken")},
        dead{closed_counter(pool, "dead_on_checkout")},
        displaced{closed_counter(pool, "displaced")},
        full{refused_counter(pool, "full")},
        timed_out{refused_counter(pool, "timed_out")} {}

  metrics::gauge idle, leased, connecting, waiting;
  metrics::histogram wait_seconds;
  metrics::counter connects, expired, broken, dead, displaced, full, timed_out;
};

double difference(std::size_t after, std::size_t before) {
  return static_cast<double>(after) - static_cast<double>(before);
}

}  // namespace

/// The pool proper. Shared with leases and connecting coroutines, which may outlive the pool.
struct lease::owner : std::enable_shared_from_this<owner> {
  owner(net::executor ex, std::string label, options connect_how, pool_limits limits)
      : home{ex},
        name{std::move(label)},
        how{std::move(connect_how)},
        acquire_timeout{limits.acquire_timeout},
        state{limits, std::random_device{}()},
        idle(limits.size),
        queue{ex, limits.max_waiting},
        closers{ex, max_closers},
        connecting{ex},
        retry{ex, [this] { settle(); }},
        series{name} {}

  ~owner() { report(); }

  /// Does what the last event made possible: turns of those in line, new connections, the next retry.
  void settle() {
    // Callers whose time is up have left the queue, but not given up their place yet.
    while (queue.size() > 0 && state.next_grant()) {
      queue.wake_one();
    }
    const auto now = clock::now();
    while (const auto slot = state.next_connect(now)) {
      connecting.spawn("pg_connect", connect_slot(shared_from_this(), *slot));
    }
    if (const auto at = state.retry_at(now)) {
      retry.arm(*at);
    }
    const pool_stats s = state.stats();
    if (state.is_closed() && s.leased == 0 && s.connecting == 0) {
      closers.close();
    }
    report();
  }

  /// Moves the gauges by what has changed: other pools may share them.
  void report() {
    const pool_stats s = state.stats();
    if (s == reported) {
      return;
    }
    series.idle.add(difference(s.idle, reported.idle));
    series.leased.add(difference(s.leased, reported.leased));
    series.connecting.add(difference(s.connecting, reported.connecting));
    series.waiting.add(difference(s.waiting, reported.waiting));
    reported = s;
  }

  static net::task<> connect_slot(std::shared_ptr<owner> self, std::size_t slot) {
    std::unique_ptr<connection> made;
    std::optional<error> failed;
    try {
      made = co_await connection::open(self->home, self->how, net::deadline_in(self->how.connect_timeout));
    } catch (const error& e) {
      failed = e;
    } catch (const std::exception& e) {
      failed = error{failure::connect, e.what()};  // out of descriptors or memory
    }
    if (failed) {
      self->on_connect_failed(slot, std::move(*failed));
    } else {
      self->on_connected(slot, std::move(made));
    }
  }

  void on_connected(std::size_t slot, std::unique_ptr<connection> made) {
    series.connects.add();
    last_failure.reset();
    log::debug("pg_connected", {{"pool", name}, {"peer", made->peer()}, {"backend_pid", made->backend_pid()}});
    if (state.connected(slot, clock::now())) {
      idle[slot] = std::move(made);
    }
    settle();
  }

  void on_connect_failed(std::size_t slot, error e) {
    const std::string code = to_string(e.state());
    metrics::make_counter("coffer_pg_connect_failures_total", "Failed attempts to connect to PostgreSQL",
                          {{"pool", name}, {"sqlstate", code}})
        .add();
    log::debug("pg_connect_failed", {{"pool", name}, {"sqlstate", code}, {"message", e.message()}});
    failed_attempts::get().note(e);
    last_failure = std::move(e);
    state.connect_failed(slot, clock::now());
    settle();
  }

  /// Takes the connection of `slot` out; null when it died, or was displaced, while idle.
  std::unique_ptr<connection> check_out(std::size_t slot) {
    std::unique_ptr<connection> c = std::move(idle[slot]);
    const bool alive = c->check_alive();
    if (!alive || c->displaced()) {
      c.reset();
      (alive ? series.displaced : series.dead).add();
      state.bury(slot);
    }
    return c;
  }

  void give_back(std::size_t slot, std::unique_ptr<connection> c) {
    const bool displaced = c->displaced();
    const bool usable = c->usable() && c->state() == transaction_state::idle && !displaced;
    switch (state.give_back(slot, usable, clock::now())) {
      case pool_state::fate::kept:
        idle[slot] = std::move(c);
        break;
      case pool_state::fate::expired:
        series.expired.add();
        break;
      case pool_state::fate::broken:
        (displaced ? series.displaced : series.broken).add();
        break;
      case pool_state::fate::closed:
        break;
    }
    settle();
  }

  void close() {
    for (const std::size_t slot : state.close()) {
      idle[slot].reset();
    }
    queue.close();
    retry.cancel();
    settle();
  }

  /// The error of a caller whose time ran out in line.
  [[nodiscard]] error out_of_time() const {
    if (state.failing() && last_failure) {
      error::details known;
      known.state = last_failure->state();
      return error{failure::connect, last_failure->message(), std::move(known)};
    }
    return error{failure::exhausted, "no connection came free before the deadline"};
  }

  net::executor home;
  std::string name;
  options how;
  std::chrono::milliseconds acquire_timeout;
  pool_state state;
  std::vector<std::unique_ptr<connection>> idle;  ///< by slot
  net::wait_queue queue;
  net::wait_queue closers;
  net::task_group connecting;
  net::watchdog retry;
  pool_metrics series;
  pool_stats reported;
  std::optional<error> last_failure;
};

lease::lease() noexcept = default;

lease::lease(std::shared_ptr<owner> from, std::size_t slot, std::unique_ptr<connection> c) noexcept
    : owner_{std::move(from)}, slot_{slot}, connection_{std::move(c)} {}

lease::lease(lease&& other) noexcept = default;

lease& lease::operator=(lease&& other) noexcept {
  if (this != &other) {
    release();
    owner_ = std::move(other.owner_);
    slot_ = other.slot_;
    connection_ = std::move(other.connection_);
  }
  return *this;
}

lease::~lease() { release(); }

void lease::release() noexcept {
  if (connection_) {
    const std::shared_ptr<owner> from = std::move(owner_);
    from->give_back(slot_, std::move(connection_));
  }
}

void lease::discard() noexcept {
  if (connection_) {
    connection_->close();
  }
  release();
}

pool::pool(net::executor ex, std::string name, options how, pool_limits limits)
    : owner_{std::make_shared<lease::owner>(std::move(ex), std::move(name), std::move(how), limits)} {}

pool::~pool() { owner_->close(); }

net::task<lease> pool::acquire(net::deadline until) {
  const std::shared_ptr<lease::owner> owner = owner_;
  const auto start = clock::now();
  until = std::min(until, start + owner->acquire_timeout);
  for (;;) {
    std::size_t slot = 0;
    switch (owner->state.arrive()) {
      case pool_state::decision::use:
        slot = owner->state.take();
        break;
      case pool_state::decision::full:
        owner->series.full.add();
        throw error{failure::exhausted, "too many callers wait for a connection"};
      case pool_state::decision::closed:
        throw error{failure::closed, "the pool is closed"};
      case pool_state::decision::wait: {
        owner->settle();
        const net::wait_result how = co_await owner->queue.wait(until);
        if (how == net::wait_result::closed) {
          throw error{failure::closed, "the pool was closed"};
        }
        if (how != net::wait_result::woken) {
          owner->state.give_up();
          owner->settle();
          owner->series.timed_out.add();
          throw owner->out_of_time();
        }
        slot = owner->state.take_granted();
        break;
      }
    }
    std::unique_ptr<connection> c = owner->check_out(slot);
    owner->settle();
    if (c) {
      owner->series.wait_seconds.observe(std::chrono::duration<double>(clock::now() - start).count());
      co_return lease{owner, slot, std::move(c)};
    }
  }
}

net::task<> pool::close(net::deadline until) {
  const std::shared_ptr<lease::owner> owner = owner_;
  owner->close();
  const pool_stats s = owner->state.stats();
  if (s.leased + s.connecting > 0) {
    co_await owner->closers.wait(until);
  }
}

pool_stats pool::stats() const { return owner_->state.stats(); }

}  // namespace coffer::pg
