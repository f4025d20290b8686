// Thin on purpose: what a lane does is in batch.hpp.
// One lane: the single writer of its users. A queue, a database connection and at most one batch in flight. Belongs
// to one thread; knows nothing of HTTP, JSON or the cache.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "coffer/domain/held_rows.hpp"
#include "coffer/domain/product.hpp"
#include "coffer/ledger/command_queue.hpp"
#include "coffer/ledger/unresolved_keys.hpp"
#include "coffer/net/task.hpp"
#include "coffer/pg/connection.hpp"
#include "coffer/pg/error.hpp"
#include "coffer/store/event_log_store.hpp"

namespace coffer::store {
enum class locking : std::uint8_t;
}

namespace coffer::ledger {

/// A user and the newest version that a batch may have given it.
using user_version = std::pair<user_id, version>;

/// Told about every user of a batch before the batch's callers are answered. `certain` is false when the commit may or
/// may not have happened, or may yet happen. Must not wait.
using commit_listener = std::function<void(std::span<const user_version> users, bool certain)>;

struct lane_options {
  pg::options database;
  std::size_t max_batch = 256;              ///< commands per transaction
  std::size_t queue_limit = 1024;           ///< commands in the queue; one more is answered `overloaded`
  std::chrono::milliseconds patience{100};  ///< how long a command waits for room in the queue
  int max_attempts = 3;                     ///< runs of a batch that failed without a commit, as time allows
  int number = 0;                           ///< of this lane in its process, from 0 on
  std::int16_t lane_key = 0;                ///< where this lane's sales counters live
  std::chrono::milliseconds slow{1000};     ///< a batch that takes so long is logged
};

/// What a lane has from outside: sessions with its database, time, and chance. Tests have other ones.
struct environment {
  using connection = pg::connection;
  using timer = net::steady_timer;
  static std::minstd_rand& random() {
    thread_local std::minstd_rand generator{std::random_device{}()};
    return generator;
  }
};

/// What a lane knows of a key.
enum class key_state : std::uint8_t {
  decided,      ///< all that was asked for under it has been, here: the journal tells
  in_progress,  ///< a command with it is queued or in a batch
  unresolved,   ///< one was answered outcome_unknown, and nothing was committed for its user since: it may be yet, or
                ///< be on this database server alone
};

/// Batches commands naturally: an idle lane commits what is there, a busy one collects until its connection is free.
/// Every command is answered exactly once, and only when its outcome is known: committed, refused, definitely not
/// applied (`unavailable`, `overloaded`, `internal`), or honestly `outcome_unknown`.
template <typename Environment>
class basic_lane {
 public:
  basic_lane(net::executor ex, lane_options options, commit_listener on_commit);
  basic_lane(const basic_lane&) = delete;
  basic_lane& operator=(const basic_lane&) = delete;
  ~basic_lane();

  /// Queues `p`, or answers it `overloaded` when the queue stays full or the lane is stopping. On the lane's thread.
  void push(pending& p);

  /// As push() for commands that happen together (domain::command::together) and share a deadline: all are queued, in
  /// order, or none. They stay in one transaction, also when a batch is run again piece by piece.
  void push_group(std::span<pending* const> group);

  /// What is known of the key of this place. On the lane's thread.
  [[nodiscard]] key_state state_of(const domain::key_place& place) const;

  /// Works until stop() was called and the queue is empty. Spawn once.
  net::task<> run();

  /// Lets run() end after everything that is queued has been answered. On the lane's thread.
  void stop();

 private:
  using clock = typename Environment::timer::clock_type;
  struct batch;
  enum class next_step : std::uint8_t { done, again, retry, isolate };

  void wake();
  net::task<> wait_for_work();
  std::vector<pending*> next_batch();
  net::task<> execute(std::vector<pending*> commands);
  net::task<> carry_out(batch& b);
  net::task<next_step> attempt(batch& b);
  static void note_failure(const batch& b, const pg::error& failure);
  net::task<next_step> recover(batch& b, pg::error failure);
  net::task<> load(batch& b);
  net::task<bool> load_in_time(batch& b, store::locking form);
  net::task<> load_what_is_free(batch& b);
  net::task<> lock_and_read(batch& b, store::locking form);
  void remember_limited(std::span<const domain::product_terms> products);
  net::task<bool> was_committed(batch& b);
  net::task<> roll_back();
  [[nodiscard]] bool is_alone(const batch& b) const;
  void refuse_held(batch& b, const domain::held_rows& held);
  void remember_held(const domain::held_rows& rows);
  [[nodiscard]] net::deadline next_deadline(const batch& b) const;
  void drop_expired(batch& b);
  void forget_held(const batch& b);
  void settle_keys(const batch& b);
  void remember_unresolved(const batch& b);
  void publish(batch& b);
  void announce(const batch& b, bool certain);
  void refuse_all(batch& b, errc code);
  void refuse_from(batch& b, std::vector<pending*>::iterator first, errc code);

  net::executor executor_;
  lane_options options_;
  commit_listener on_commit_;
  basic_command_queue<typename Environment::timer> queue_;
  std::vector<const batch*> running_;       ///< the one in flight, below it those that wait for parts of theirs
  std::optional<net::oneshot<bool>> idle_;  ///< engaged while run() waits for work
  bool woken_ = false;
  bool stopping_ = false;
  std::unique_ptr<typename Environment::connection> connection_;
  /// Products that were limited when they were last read: their stocks are locked with the users. A hint, bounded.
  std::set<product_id> limited_;
  /// Rows that somebody else was found to hold, until they can be locked. A hint, bounded.
  domain::held_rows held_;
  store::event_stream stream_;
  unresolved_keys unresolved_;
  /// How long the last attempt took that ran into a limit of time, and until when that is expected of the next one.
  std::chrono::steady_clock::duration slow_{};
  std::chrono::steady_clock::time_point slow_until_;
};

using lane = basic_lane<environment>;
extern template class basic_lane<environment>;

}  // namespace coffer::ledger
