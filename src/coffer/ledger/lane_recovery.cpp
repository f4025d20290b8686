// The part of a lane that deals with failed batches: what is run again, looked up, taken apart or given up.
#include <functional>

#include "coffer/base/log.hpp"
#include "coffer/ledger/lane.hpp"
#include "coffer/ledger/lane_batch.hpp"
#include "coffer/ledger/ledger_metrics.hpp"
#include "coffer/pg/attempts.hpp"
#include "coffer/store/batch_store.hpp"

namespace coffer::ledger {

namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// How long a rollback may take before the connection is dropped instead.
constexpr clock::duration rollback_budget = 1s;

/// How long other processes' batches hold their users' rows, and some.
constexpr clock::duration moment = 50ms;

/// How many users with held rows a lane remembers; one that is forgotten costs a batch the time for a lock once more.
constexpr std::size_t most_stuck = 256;

/// Whether the same batch may succeed if it is run again as it is.
bool is_transient(pg::sqlstate state) {
  return pg::is_conflict(state) || pg::is_timeout(state) || pg::is_server_unavailable(state);
}

/// Whether a server that answers so to a COMMIT does not know itself what became of it: a proxy, or one that keeps its
/// rows on others.
bool leaves_open(pg::sqlstate state) {
  return state == pg::sqlstate::statement_completion_unknown ||
         pg::class_of(state) == pg::class_of(pg::sqlstate::connection_failure);
}

}  // namespace

/// Answers the commands whose deadline has passed, or would pass: what ran into a limit of time takes as long again, so
/// what has less time left would be in flight at its deadline, and answered late or with its outcome unknown. That is
/// remembered no longer than it took, so that a lane tries again in any case. With an unresolved commit behind them,
/// the whole batch is one fate: it is kept together until the last deadline, then answered outcome_unknown.
void lane::drop_expired(batch& b) {
  const auto now = clock::now();
  if (b.unresolved) {
    if (now >= b.latest_deadline()) {
      // It may have been committed, so nothing older than it may be served from the cache any more.
      announce(b, false);
      ledger_metrics::get().unknown_answered.add();
      remember_doubts(b);
      refuse_all(b, errc::outcome_unknown);
    }
    return;
  }
  const auto ends = now < slow_until_ ? now + slow_ : now;
  const auto expired = std::stable_partition(b.commands.begin(), b.commands.end(),
                                             [ends](const pending* p) { return p->deadline > ends; });
  const auto count = std::distance(expired, b.commands.end());
  if (count == 0) {
    return;
  }
  ledger_metrics::get().expired.add(static_cast<double>(count));
  refuse_from(b, expired, errc::unavailable);
}

/// The users of a batch are locked: whatever held their rows, or may have written for them, has ended.
void lane::forget_troubles(const batch& b) {
  if (doubts_.size() == 0 && stuck_.empty()) {
    return;
  }
  const std::size_t doubts = doubts_.size();
  for (const domain::wallet& w : b.state.wallets) {
    doubts_.settle(w.user);
    stuck_.erase(w.user);
  }
  ledger_metrics::get().doubts.add(-static_cast<double>(doubts - doubts_.size()));
}

void lane::remember_doubts(const batch& b) {
  const std::size_t doubts = doubts_.size();
  for (const pending* p : b.commands) {
    if (!p->command.idempotency_key.empty() && !doubts_.add(domain::place_of(p->command))) {
      ledger_metrics::get().doubts_forgotten.add();
    }
  }
  ledger_metrics::get().doubts.add(static_cast<double>(doubts_.size() - doubts));
}

/// Settles an unresolved commit: true when it happened. Locking its users waits until the old transaction has ended,
/// so that afterwards the journal holds either this batch's rows or none of them.
net::task<bool> lane::was_committed(batch& b) {
  const std::vector<std::int64_t> users = b.users();
  const proof wanted = *b.unresolved;
  pg::pipeline question = store::find_committed(users, wanted.user, wanted.at);
  const std::vector<pg::rows> results = co_await connection_->run(std::move(question), next_deadline(b));
  const pg::rows& row = results.at(2);
  const bool found = row.size() == 1 && row.text(0, 0) == wanted.request_id && row.time(0, 1) == wanted.created_at;
  if (found) {
    // Who ended the backend while it waited for a standby has left a commit that may be on this server alone. The locks
    // of the look-up are in the log behind it, so this commit waits for the standbys that the row needs.
    const pg::rows ended = co_await connection_->execute("commit", next_deadline(b));
    demand_commit(ended);
  } else {
    co_await roll_back();
  }
  (found ? ledger_metrics::get().unknown_committed : ledger_metrics::get().unknown_absent).add();
  log::warn("unknown commit outcome settled", {{"committed", found}, {"commands", b.commands.size()}});
  b.unresolved.reset();
  co_return found;
}

net::task<lane::next_step> lane::recover(batch& b, pg::error failure) {
  const bool answered = failure.delivered() == pg::delivery::answered;
  const std::string sqlstate = pg::to_string(failure.state());
  log::debug("batch attempt failed", {{"sqlstate", sqlstate},
                                      {"message", failure.what()},
                                      {"attempt", b.attempts},
                                      {"commands", b.commands.size()},
                                      {"committing", b.committing}});
  pg::failed_attempts::get().note(failure);
  // A commit is in doubt whose answer never came, or leaves it open; any other error that the server reported ended the
  // transaction.
  if (b.committing && (failure.delivered() == pg::delivery::unknown ||
                       (leaves_open(failure.state()) && failure.statement_index() >= b.commit_index))) {
    const domain::transaction& first = *b.witness();
    b.unresolved = proof{first.user, first.at, first.request_id, first.created_at};
  }
  // A server that cannot work, or that has become read-only, is left: another host of the URL may have taken over.
  if (connection_ && failure.connection_usable() && !pg::is_server_unavailable(failure.state())) {
    co_await roll_back();
  } else {
    connection_.reset();
  }
  if (b.unresolved) {
    ledger_metrics::count_retry(sqlstate);
    co_return next_step::retry;  // until it is settled or the last deadline has passed
  }
  if (answered && !b.committing && pg::is_timeout(failure.state()) &&
      failure.statement_index() == store::lock_users_index) {
    const bool refused = co_await give_up_held(b);
    if (refused && b.commands.empty()) {
      co_return next_step::done;
    }
    if (refused) {
      ledger_metrics::count_retry(sqlstate);
      --b.attempts;  // what is left has not failed
      co_return next_step::retry_at_once;
    }
  }
  // Without the schema nothing of it was done, and the database watch says so.
  if (answered && failure.connection_usable() && pg::is_schema_misfit(failure.state())) {
    refuse_all(b, errc::unavailable);
    co_return next_step::done;
  }
  // What cost the connection, a plan or statement that it had and the database has no more, may do well on another.
  if (answered && failure.connection_usable() && !is_transient(failure.state())) {
    if (b.commands.size() > b.commands.front()->command.together) {
      co_return next_step::isolate;
    }
    log::error(
        "command failed in the database",
        {{"sqlstate", sqlstate}, {"message", failure.what()}, {"request_id", b.commands.front()->command.request_id}});
    refuse_all(b, errc::internal);
    co_return next_step::done;
  }
  if (pg::is_timeout(failure.state())) {
    const auto now = clock::now();
    slow_ = now - b.attempted;
    slow_until_ = now + slow_;
    drop_expired(b);
  }
  if (b.attempts >= options_.max_attempts) {
    refuse_all(b, errc::unavailable);
  }
  if (b.commands.empty()) {
    co_return next_step::done;
  }
  ledger_metrics::count_retry(sqlstate);
  co_return next_step::retry;
}

/// After the time for a lock on the batch's users was up: refuses those whose rows somebody else holds, so that the
/// others do not share their fate. Nobody is refused who is alone in the lane. True when somebody was.
net::task<bool> lane::give_up_held(batch& b) {
  std::vector<std::int64_t> users = b.users();
  if (users.size() > 1) {
    co_return co_await refuse_held(b, std::move(users));
  }
  remember_stuck(user_id{users.front()});
  if (queue_.empty()) {
    co_return false;
  }
  refuse_users(b, users);
  co_return true;
}

/// Asks for the rows of users that somebody held lately with less patience than a batch has for its locks, so that not
/// every batch of others waits so long for them.
net::task<> lane::try_stuck(batch& b) {
  std::vector<std::int64_t> users = b.users();
  const bool alone = users.size() == 1 && queue_.empty();
  std::erase_if(users, [this](std::int64_t id) { return !stuck_.contains(user_id{id}); });
  if (users.empty() || alone) {
    co_return;
  }
  bool held = false;
  try {
    pg::pipeline locks = store::try_users(users);
    co_await connection_->run(std::move(locks), next_deadline(b));
  } catch (const pg::error& e) {
    if (!pg::is_timeout(e.state()) || !e.connection_usable()) {
      throw;
    }
    held = true;
  }
  if (held) {
    co_await roll_back();
    co_await refuse_held(b, std::move(users));
  }
}

/// Refuses the commands of those of `users` whose rows somebody holds now and a moment later: another process's batch
/// is over by then. True when there were any.
net::task<bool> lane::refuse_held(batch& b, std::vector<std::int64_t> users) {
  std::vector<std::int64_t> held = co_await find_held(b, std::move(users));
  if (!held.empty()) {
    co_await net::sleep_for(moment);
    std::vector<std::int64_t> suspects = std::move(held);
    held = co_await find_held(b, std::move(suspects));
  }
  for (const std::int64_t user : held) {
    remember_stuck(user_id{user});
  }
  refuse_users(b, held);
  co_return !held.empty();
}

/// Those of `users` whose rows somebody holds at this moment; none when that cannot be asked, because the batch's own
/// failure is what is acted on.
net::task<std::vector<std::int64_t>> lane::find_held(const batch& b, std::vector<std::int64_t> users) {
  std::vector<std::int64_t> held;
  if (!connection_) {
    co_return held;
  }
  bool failed = false;
  try {
    pg::pipeline question = store::probe_users(users);
    const std::vector<pg::rows> found = co_await connection_->run(std::move(question), next_deadline(b));
    held = store::read_held_users(found);
  } catch (const pg::error&) {
    failed = true;
  }
  if (failed) {
    co_await roll_back();
  }
  co_return held;
}

/// Whole groups: those who happen together are of one user.
void lane::refuse_users(batch& b, std::span<const std::int64_t> held) {
  const auto is_held = [held](const pending* p) { return std::ranges::binary_search(held, p->command.user.value); };
  const auto refused = std::stable_partition(b.commands.begin(), b.commands.end(), std::not_fn(is_held));
  const auto count = std::distance(refused, b.commands.end());
  if (count == 0) {
    return;
  }
  log::warn("somebody else holds the rows of users",
            {{"users", held.size()}, {"user_id", held.front()}, {"commands", count}});
  ledger_metrics::get().held.add(static_cast<double>(count));
  refuse_from(b, refused, errc::unavailable);
}

void lane::remember_stuck(user_id user) {
  if (stuck_.size() >= most_stuck) {
    stuck_.clear();
  }
  stuck_.insert(user);
}

/// Ends whatever transaction is open; a connection that cannot do so is dropped.
net::task<> lane::roll_back() {
  if (!connection_ || connection_->state() == pg::transaction_state::idle) {
    co_return;
  }
  bool failed = false;
  try {
    co_await connection_->execute("rollback", net::deadline_in(rollback_budget));
  } catch (const pg::error&) {
    failed = true;
  }
  if (failed) {
    connection_.reset();
  }
}

}  // namespace coffer::ledger
