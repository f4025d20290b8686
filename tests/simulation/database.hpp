// The model database: what matters of PostgreSQL to those who share rows. Sessions with transactions in READ COMMITTED,
// row locks with their waits, timeouts and deadlocks, commits that wait for a standby, and failover.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "chance.hpp"
#include "coffer/net/waiter.hpp"
#include "coffer/pg/connection.hpp"
#include "mutants.hpp"
#include "tables.hpp"

namespace coffer::simulation {

/// Why a statement failed.
struct refusal {
  pg::sqlstate state;
  std::string text;
};

/// The session was ended while it worked.
struct terminated {};

/// The server's side of one session.
class backend {
 public:
  explicit backend(std::string called) : name{std::move(called)} {}

  std::string name;
  pg::transaction_state state = pg::transaction_state::idle;
  std::vector<slot_base*> held;                           ///< in order of locking
  std::optional<std::chrono::milliseconds> lock_timeout;  ///< of this transaction
  bool serving = false;
  bool client_gone = false;
  bool ended = false;
  pg::sqlstate farewell = pg::sqlstate::connection_failure;
  bool unreplicated = false;             ///< a commit did not wait for its standby to the end
  bool ignores_standby = false;          ///< a mutant's next commit does not wait at all
  bool locks_nothing = false;            ///< a mutant's statement
  std::optional<pg::sqlstate> gives_up;  ///< how the next wait for a standby ends

 private:
  friend class database;
  const backend* waits_for_ = nullptr;
  net::waiter waiting_;
  std::optional<pg::sqlstate> interrupted_;
  bool must_end_ = false;
  std::uint64_t turn_ = 0;  ///< counts pipelines
  net::deadline began_{};   ///< when the statement did
};

/// What becomes of a pipeline on the server.
struct served {
  std::vector<pg::rows> results;
  std::optional<refusal> failed;
  std::size_t failed_at = 0;
  pg::transaction_state state = pg::transaction_state::unknown;
  bool lost = false;  ///< the session has ended
  bool unreplicated = false;
};

/// What goes wrong with a pipeline on the server.
struct sabotage {
  std::optional<pg::sqlstate> error;  ///< instead of its statement `at`
  std::size_t at = 0;
  bool rolls_back = false;               ///< its COMMIT
  std::optional<pg::sqlstate> gives_up;  ///< ends the COMMIT's wait for the standby: a cancel, or the session's end
};

/// The server's settings, and how far the standby is behind.
struct database_options {
  std::chrono::milliseconds lock_timeout{1000};
  std::chrono::milliseconds statement_timeout{2000};
  std::chrono::milliseconds idle_timeout{3000};
  std::chrono::milliseconds deadlock_timeout{1000};
  bool synchronous = false;                         ///< a commit waits for a standby
  std::chrono::microseconds replication_time{500};  ///< until the standby has it
};

/// The server. All of it runs on one context, by the time of the simulation.
class database {
 public:
  /// Called with the rows of each commit, when it can be seen.
  using commit_watcher = std::function<void(const std::vector<slot_base*>&)>;

  database(asio::io_context& context, timeline& time, trace& events, database_options how)
      : options{how}, context_{context}, time_{time}, trace_{events} {}

  /// Opens a session.
  backend& connect(std::string name) { return *sessions_.emplace_back(std::make_unique<backend>(std::move(name))); }

  /// Executes what arrived in one message, up to its Sync.
  net::task<served> serve(backend& b, const pg::pipeline& statements, sabotage wrong = {});

  /// Waits for the row if somebody else holds it; then it is `b`'s until its transaction ends.
  net::task<> lock(backend& b, slot_base& row);
  /// Gives the row at once if it is free.
  static bool try_lock(backend& b, slot_base& row);
  /// Ends the transaction; gives the command tag.
  net::task<std::string> commit(backend& b);
  void roll_back(backend& b);

  /// As pg_cancel_backend and pg_terminate_backend.
  void cancel(backend& b) { interrupt(b, pg::sqlstate::query_canceled); }
  void terminate(backend& b, pg::sqlstate why);
  /// The client is gone: the session ends when it has served what it got.
  void hang_up(backend& b);

  /// A standby takes over. Commits that no standby had confirmed are there in part: `share`, in thousandths, of them.
  void fail_over(std::int64_t share, duration outage);

  /// The wall clock.
  [[nodiscard]] timestamp wall() const {
    constexpr timestamp start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(time_.now() - net::deadline{});
    return start + since + skew;
  }

  const std::vector<std::unique_ptr<backend>>& sessions() const { return sessions_; }

  tables rows;
  database_options options;
  commit_watcher on_commit = [](const auto&) {};
  std::function<void(slot_base&)> on_loss = [](auto&) {};  ///< a row of a commit that is about to be lost
  std::map<pair_key, timestamp> lost_rows;                 ///< journal rows, and their times
  net::deadline down_until{};
  std::chrono::microseconds skew{};
  std::size_t deadlocks = 0;
  mutant wrong = mutant::none;

 private:
  struct logged {
    std::uint64_t at;
    std::vector<slot_base*> rows;
    bool published = false;
  };

  net::task<> execute(backend& b, const pg::pipeline::entry& what, served& into, const sabotage& wrong_with);
  net::task<pg::rows> answer_one(backend& b, const pg::pipeline::entry& what);
  std::map<std::size_t, pg::rows> answer_early(backend& b, const pg::pipeline& statements);
  net::task<> wait(backend& b);
  void interrupt(backend& b, pg::sqlstate why);
  void wake_waiters_of(const backend& b);
  void release(backend& b);
  void publish(logged& entry);
  [[nodiscard]] bool is_deadlocked(const backend& b) const;
  void end(backend& b, pg::sqlstate why);
  void watch_idle(backend& b);

  asio::io_context& context_;
  timeline& time_;
  trace& trace_;
  std::vector<std::unique_ptr<backend>> sessions_;
  std::vector<backend*> line_;         ///< those who wait for rows, in order of arrival
  std::vector<backend*> for_standby_;  ///< those who wait for the standby
  std::deque<logged> log_;
  std::uint64_t written_ = 0;     ///< the log's end
  std::uint64_t replicated_ = 0;  ///< what a standby has confirmed
};

inline bool database::try_lock(backend& b, slot_base& row) {
  if (row.owner != nullptr && row.owner != &b) {
    return false;
  }
  if (row.owner == nullptr) {
    row.owner = &b;
    b.held.push_back(&row);
  }
  return true;
}

/// Suspends `b` until it is woken. Throws when it is interrupted.
inline net::task<> database::wait(backend& b) {
  b.interrupted_.reset();
  auto start = [&b](auto&& h) { b.waiting_.hold(std::forward<decltype(h)>(h)); };
  co_await net::suspend(start);
  if (b.must_end_) {
    throw terminated{};
  }
  if (b.interrupted_) {
    throw refusal{*b.interrupted_, "interrupted"};
  }
}

inline void database::interrupt(backend& b, pg::sqlstate why) {
  if (b.waiting_) {
    b.interrupted_ = why;
    b.waiting_.post(context_.get_executor());
  }
}

inline net::task<> database::lock(backend& b, slot_base& row) {
  const std::chrono::milliseconds limit = b.lock_timeout.value_or(options.lock_timeout);
  while (!try_lock(b, row)) {
    trace_.note("waits", b.name, row.owner->name);
    std::vector<timeline::event> alarms;
    alarms.push_back(time_.in(limit, [this, &b] { interrupt(b, pg::sqlstate::lock_not_available); }));
    alarms.push_back(
        time_.at(b.began_ + options.statement_timeout, [this, &b] { interrupt(b, pg::sqlstate::query_canceled); }));
    alarms.push_back(time_.in(options.deadlock_timeout, [this, &b] {
      if (is_deadlocked(b)) {
        ++deadlocks;
        interrupt(b, pg::sqlstate::deadlock_detected);
      }
    }));
    b.waits_for_ = row.owner;
    line_.push_back(&b);
    std::exception_ptr failed;
    try {
      co_await wait(b);
    } catch (...) {
      failed = std::current_exception();
    }
    std::erase(line_, &b);
    b.waits_for_ = nullptr;
    for (const timeline::event& e : alarms) {
      time_.cancel(e);
    }
    if (failed) {
      std::rethrow_exception(failed);
    }
  }
}

inline bool database::is_deadlocked(const backend& b) const {
  const backend* next = b.waits_for_;
  for (std::size_t i = 0; next != nullptr && i < sessions_.size(); ++i) {
    if (next == &b) {
      return true;
    }
    next = next->waits_for_;
  }
  return false;
}

inline void database::wake_waiters_of(const backend& b) {
  for (backend* other : line_) {
    if (other->waits_for_ == &b) {
      other->waiting_.post(context_.get_executor());
    }
  }
}

inline void database::release(backend& b) {
  for (slot_base* row : b.held) {
    row->owner = nullptr;
  }
  b.held.clear();
  b.lock_timeout.reset();
  b.state = pg::transaction_state::idle;
  wake_waiters_of(b);
}

inline void database::roll_back(backend& b) {
  for (slot_base* row : b.held) {
    row->roll_back();
  }
  release(b);
}

inline void database::publish(logged& entry) {
  for (slot_base* row : entry.rows) {
    row->publish();
  }
  entry.published = true;
  on_commit(entry.rows);
}

/// The command tag. A transaction that has locked nothing leaves nothing in the log.
inline net::task<std::string> database::commit(backend& b) {
  if (b.state == pg::transaction_state::in_failed_transaction) {
    roll_back(b);
    co_return "ROLLBACK";
  }
  if (b.held.empty()) {
    release(b);
    co_return "COMMIT";
  }
  const std::uint64_t at = ++written_;
  logged& entry = log_.emplace_back(at, b.held);
  bool ends = false;
  time_.in(options.replication_time, [this, at] {
    replicated_ = std::max(replicated_, std::min(at, written_));
    for (backend* waiting : for_standby_) {
      waiting->waiting_.post(context_.get_executor());
    }
  });
  if (options.synchronous && !std::exchange(b.ignores_standby, false)) {
    for_standby_.push_back(&b);
    if (const auto why = std::exchange(b.gives_up, std::nullopt)) {
      time_.in(options.replication_time / 3, [this, &b, why, at] {
        if (replicated_ < at && !b.ended) {
          *why == pg::sqlstate::query_canceled ? cancel(b) : terminate(b, *why);
        }
      });
    }
    while (replicated_ < at && !b.ended && !ends && !b.unreplicated) {
      try {
        co_await wait(b);
      } catch (const refusal&) {
        b.unreplicated = true;
      } catch (const terminated&) {
        ends = true;
      }
    }
    std::erase(for_standby_, &b);
  }
  if (b.ended) {
    throw terminated{};  // the server is gone; whether the commit is there, the failover has said
  }
  publish(entry);
  release(b);
  if (ends) {
    throw terminated{};
  }
  co_return "COMMIT";
}

inline net::task<served> database::serve(backend& b, const pg::pipeline& statements, sabotage wrong_with) {
  served out;
  b.serving = true;
  ++b.turn_;
  bool lost = b.ended;
  try {
    const auto entries = statements.entries();
    b.gives_up = wrong_with.gives_up;
    b.locks_nothing =
        wrong == mutant::settled_without_lock && std::string_view{entries.back().what->name} == "batch_find_row";
    std::map<std::size_t, pg::rows> early = answer_early(b, statements);
    for (std::size_t i = 0; i < entries.size() && !lost && !out.failed; ++i) {
      sabotage here = wrong_with;
      if (wrong_with.at != i) {
        here.error.reset();
      }
      out.failed_at = i;
      co_await execute(b, entries[i], out, here);
      if (const auto known = early.find(i); known != early.end() && !out.failed) {
        out.results.back() = std::move(known->second);
      }
    }
    // The Sync ends a transaction that nobody began.
    if (!lost && b.state == pg::transaction_state::idle && !b.held.empty()) {
      if (out.failed) {
        roll_back(b);
      } else {
        co_await commit(b);
      }
    }
  } catch (const terminated&) {
    lost = true;
  }
  b.serving = false;
  if (lost || b.must_end_) {
    end(b, b.farewell);
  } else if (b.client_gone) {
    end(b, pg::sqlstate::connection_failure);
  }
  out.lost = b.ended;
  out.state = b.state;
  out.unreplicated = std::exchange(b.unreplicated, false);
  watch_idle(b);
  co_return out;
}

inline net::task<> database::execute(backend& b, const pg::pipeline::entry& what, served& into,
                                     const sabotage& wrong_with) {
  const std::string_view name = what.what->name;
  const bool ends_transaction = name == "batch_commit" || name == "commit" || name == "rollback";
  std::optional<refusal> failed;
  b.began_ = time_.now();
  try {
    if (wrong_with.error) {
      throw refusal{*wrong_with.error, "injected"};
    }
    if (b.state == pg::transaction_state::in_failed_transaction && !ends_transaction) {
      throw refusal{pg::sqlstate::in_failed_transaction, "the transaction is aborted"};
    }
    if (ends_transaction && wrong_with.rolls_back) {
      b.state = pg::transaction_state::in_failed_transaction;
    }
    pg::rows result = co_await answer_one(b, what);
    into.results.push_back(std::move(result));
  } catch (refusal& r) {
    failed = std::move(r);
  }
  if (failed) {
    trace_.note("refuses", b.name, name, pg::to_string(failed->state));
    meet(pg::to_string(failed->state));
    into.failed = std::move(failed);
    if (b.state == pg::transaction_state::in_transaction) {
      b.state = pg::transaction_state::in_failed_transaction;
    }
  }
}

inline void database::end(backend& b, pg::sqlstate why) {
  if (b.ended) {
    return;
  }
  trace_.note("session ends", b.name, pg::to_string(why));
  b.ended = true;
  b.farewell = why;
  roll_back(b);
  b.state = pg::transaction_state::unknown;
}

inline void database::terminate(backend& b, pg::sqlstate why) {
  if (b.ended) {
    return;
  }
  b.farewell = why;
  if (!b.serving) {
    end(b, why);
    return;
  }
  b.must_end_ = true;
  interrupt(b, why);
}

inline void database::hang_up(backend& b) {
  b.client_gone = true;
  if (!b.serving) {
    end(b, pg::sqlstate::connection_failure);
  }
}

/// A transaction that is left open is ended with its session.
inline void database::watch_idle(backend& b) {
  if (b.ended || b.state == pg::transaction_state::idle) {
    return;
  }
  time_.in(options.idle_timeout, [this, &b, turn = b.turn_] {
    if (b.turn_ == turn && !b.serving) {
      end(b, pg::sqlstate::idle_in_transaction_timeout);
    }
  });
}

inline void database::fail_over(std::int64_t share, duration outage) {
  const std::uint64_t open = written_ - replicated_;
  const std::uint64_t last = replicated_ + open * static_cast<std::uint64_t>(share) / 1000;
  trace_.note("fails over", written_, last);
  down_until = time_.now() + outage;
  while (!log_.empty() && log_.back().at > last) {
    for (slot_base* row : log_.back().rows) {
      if (log_.back().published) {
        on_loss(*row);
        row->take_back();
      }
    }
    log_.pop_back();
  }
  for (logged& entry : log_) {
    if (!entry.published) {
      publish(entry);
    }
  }
  written_ = replicated_ = last;
  for (const auto& b : sessions_) {
    if (b->ended) {
      continue;
    }
    b->must_end_ = true;
    end(*b, pg::sqlstate::crash_shutdown);
    b->waiting_.post(context_.get_executor());
  }
}

}  // namespace coffer::simulation

#include "statements.hpp"
