// How a lane carries out its batches: each is one transaction, run again, looked up, taken apart or given up when it
// fails. Included by ledger.cpp alone.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "coffer/base/backoff.hpp"
#include "coffer/base/log.hpp"
#include "coffer/domain/batch_state.hpp"
#include "coffer/domain/decide.hpp"
#include "coffer/ledger/lane.hpp"
#include "coffer/ledger/ledger_metrics.hpp"
#include "coffer/pg/attempts.hpp"
#include "coffer/pg/error.hpp"
#include "coffer/pg/rows.hpp"
#include "coffer/store/batch_store.hpp"

namespace coffer::ledger {

/// The journal row whose presence proves that a batch was committed.
struct proof {
  user_id user;
  version at;
  std::string request_id;
  timestamp created_at;
};

/// Throws unless `ended`, what COMMIT gave, says that it was one: a failed transaction answers it with success and the
/// tag ROLLBACK.
inline void demand_commit(const pg::rows& ended) {
  if (ended.command_tag() == "COMMIT") {
    return;
  }
  pg::error::details d;
  d.state = pg::sqlstate::in_failed_transaction;
  d.delivered = pg::delivery::answered;
  d.connection_usable = true;
  throw pg::error{pg::failure::statement, "COMMIT rolled the transaction back", std::move(d)};
}

/// The commands of one transaction and what is known about it.
struct lane::batch {
  using clock = std::chrono::steady_clock;

  std::vector<pending*> commands;
  domain::batch_state state;
  domain::batch_effects effects;
  int attempts = 0;
  clock::time_point attempted;      ///< when the last attempt began
  bool committing = false;          ///< the statements that end in COMMIT were handed to the connection
  std::size_t commit_index = 0;     ///< of COMMIT among them
  std::optional<proof> unresolved;  ///< the connection was lost around a commit: look for this row first
  clock::time_point started = clock::now();

  std::vector<const domain::command*> list() const {
    std::vector<const domain::command*> out;
    out.reserve(commands.size());
    for (const pending* p : commands) {
      out.push_back(&p->command);
    }
    return out;
  }

  net::deadline latest_deadline() const {
    net::deadline latest{};
    for (const pending* p : commands) {
      latest = std::max(latest, p->deadline);
    }
    return latest;
  }

  /// The commands' users, each once, in order.
  std::vector<std::int64_t> users() const {
    std::vector<std::int64_t> ids;
    ids.reserve(commands.size());
    for (const pending* p : commands) {
      ids.push_back(p->command.user.value);
    }
    std::ranges::sort(ids);
    ids.erase(std::ranges::unique(ids).begin(), ids.end());
    return ids;
  }

  /// A row that is in the journal when the batch was committed: a new one, or else one that is replayed. Null when no
  /// answer of the batch tells of a row.
  const domain::transaction* witness() const {
    if (!effects.new_rows.empty()) {
      return &effects.verdicts[effects.new_rows.front()]->row;
    }
    const auto told = std::ranges::find_if(effects.verdicts, [](const domain::verdict& v) { return v.has_value(); });
    return told == effects.verdicts.end() ? nullptr : &(*told)->row;
  }
};

namespace detail {

using clock = std::chrono::steady_clock;

/// How much longer than the server's own statement timeout a round trip of a batch may take, so that the server
/// normally answers first.
inline constexpr clock::duration round_trip_margin = 500ms;

/// Full jitter between half and all of 20 ms doubled per attempt, at most 320 ms.
inline clock::duration backoff(int attempt) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return coffer::backoff(20ms, 320ms, attempt, random);
}

/// How many limited products a lane remembers; the rest costs a second loading of a batch, nothing else.
inline constexpr std::size_t limited_hint = 4096;

/// How many keys in doubt a lane remembers: those of four batches, which have their requests' time each.
inline constexpr std::size_t most_doubts = 1024;

/// Whether a purchase or refund needs a stock that was not locked.
inline bool misses_stock(std::span<const domain::command* const> commands, domain::batch_state& state,
                         const std::set<product_id>& locked) {
  return std::any_of(commands.begin(), commands.end(), [&](const domain::command* c) {
    if (!domain::needs_stock(*c)) {
      return false;
    }
    const domain::product_terms* terms = state.find_product(*c->product);
    return terms != nullptr && terms->is_limited && !locked.contains(*c->product);
  });
}

}  // namespace detail

/// When the next round trip of `b` must have ended. A statement timeout of 0 is none.
net::deadline lane::next_deadline(const batch& b) const {
  const std::chrono::milliseconds limit = options_.database.statement_timeout;
  const net::deadline latest = b.latest_deadline();
  return limit == 0ms ? latest : std::min(latest, net::deadline_in(limit + detail::round_trip_margin));
}

lane::lane(net::executor ex, lane_options options, commit_listener on_commit)
    : executor_{std::move(ex)},
      options_{std::move(options)},
      on_commit_{std::move(on_commit)},
      queue_{executor_, options_.queue_limit, options_.patience},
      doubts_{detail::most_doubts} {
  store::add_batch_settings(options_.database);
}

lane::~lane() = default;

void lane::push(pending& p) {
  pending* const alone[] = {&p};
  push_group(alone);
}

void lane::push_group(std::span<pending* const> group) {
  if (stopping_) {
    command_queue::refuse(group);
    return;
  }
  queue_.push(group);
  wake();
}

void lane::wake() {
  if (idle_ && !woken_) {
    woken_ = true;
    idle_->set(true);
  }
}

key_state lane::state_of(const domain::key_place& place) const {
  const auto matches = [&place](const pending* p) { return p->is(place); };
  const bool here = queue_.holds(place) || std::any_of(running_.begin(), running_.end(), [&](const batch* b) {
                      return std::any_of(b->commands.begin(), b->commands.end(), matches);
                    });
  if (here) {
    return key_state::in_progress;
  }
  return doubts_.holds(place) ? key_state::in_doubt : key_state::decided;
}

void lane::stop() {
  stopping_ = true;
  wake();
}

net::task<> lane::wait_for_work() {
  woken_ = false;
  idle_.emplace(executor_);
  co_await idle_->wait();
  idle_.reset();
}

net::task<> lane::run() {
  while (!stopping_ || !queue_.empty()) {
    if (queue_.empty()) {
      co_await wait_for_work();
      continue;
    }
    std::vector<pending*> commands = next_batch();
    co_await execute(std::move(commands));
  }
  connection_.reset();
}

std::vector<pending*> lane::next_batch() {
  std::vector<pending*> commands = queue_.take(options_.max_batch);
  const auto now = detail::clock::now();
  for (const pending* p : commands) {
    ledger_metrics::get().queue_wait_seconds.observe(std::chrono::duration<double>(now - p->queued_at).count());
  }
  return commands;
}

net::task<> lane::execute(std::vector<pending*> commands) {
  batch b;
  b.commands = std::move(commands);
  running_.push_back(&b);
  co_await carry_out(b);
  running_.pop_back();
}

net::task<> lane::carry_out(batch& b) {
  for (;;) {
    drop_expired(b);
    if (b.commands.empty()) {
      co_return;
    }
    const next_step step = co_await attempt(b);
    if (step == next_step::done) {
      co_return;
    }
    if (step == next_step::isolate) {
      ledger_metrics::get().isolated.add();
      while (!b.commands.empty()) {
        const auto end = b.commands.begin() + static_cast<std::ptrdiff_t>(b.commands.front()->command.together);
        std::vector<pending*> alone{b.commands.begin(), end};
        b.commands.erase(b.commands.begin(), end);
        co_await execute(std::move(alone));
      }
      co_return;
    }
    if (step == next_step::retry) {
      co_await net::sleep_for(detail::backoff(b.attempts));
    }
  }
}

net::task<lane::next_step> lane::attempt(batch& b) {
  b.committing = false;
  b.attempted = detail::clock::now();
  ++b.attempts;
  std::optional<pg::error> failure;
  try {
    if (!connection_) {
      connection_ = co_await pg::connection::open(executor_, options_.database, b.latest_deadline());
    }
    if (b.unresolved && co_await was_committed(b)) {
      publish(b);
      co_return next_step::done;
    }
    if (b.attempts == 1 && !stuck_.empty()) {
      co_await try_stuck(b);
      if (b.commands.empty()) {
        co_return next_step::done;
      }
    }
    if (!connection_) {
      // Lost while a look-up was rolled back.
      connection_ = co_await pg::connection::open(executor_, options_.database, b.latest_deadline());
    }
    co_await load(b);
    forget_troubles(b);
    b.effects = domain::decide(b.list(), b.state);
    if (b.witness() == nullptr) {
      publish(b);
      co_await roll_back();
      co_return next_step::done;
    }
    // Also when nothing is new: what is replayed may be committed on this server alone, as was_committed() knows.
    pg::pipeline apply = store::apply_batch(b.state, b.effects, options_.lane_key);
    b.commit_index = apply.size() - 1;
    b.committing = true;
    const std::vector<pg::rows> applied = co_await connection_->run(std::move(apply), next_deadline(b));
    b.committing = false;
    demand_commit(applied.back());
    slow_until_ = {};
    publish(b);
    co_return next_step::done;
  } catch (const pg::error& e) {
    failure.emplace(e);
  }
  co_return co_await recover(b, *std::move(failure));
}

/// Reads and locks what the batch needs. A product that turns out to be limited without its stock being locked is
/// remembered and everything is locked anew, because stocks come in the order of their ids.
net::task<> lane::load(batch& b) {
  const auto commands = b.list();
  for (;;) {
    pg::pipeline statements = store::load_batch(commands, limited_);
    const std::vector<pg::rows> loaded = co_await connection_->run(std::move(statements), next_deadline(b));
    b.state = store::read_batch(commands, limited_, loaded);
    if (!detail::misses_stock(commands, b.state, limited_)) {
      remember_limited(b.state.products);
      co_return;
    }
    remember_limited(b.state.products);
    co_await connection_->execute("rollback", next_deadline(b));
  }
}

void lane::remember_limited(std::span<const domain::product_terms> products) {
  if (limited_.size() > detail::limited_hint) {
    limited_.clear();
  }
  for (const domain::product_terms& p : products) {
    if (p.is_limited) {
      limited_.insert(p.id);
    } else {
      limited_.erase(p.id);
    }
  }
}

void lane::announce(const batch& b, bool certain) {
  std::vector<user_version> users;
  users.reserve(b.state.wallets.size());
  for (const domain::wallet& w : b.state.wallets) {
    users.emplace_back(w.user, w.at);
  }
  if (!users.empty()) {
    on_commit_(users, certain);
  }
}

void lane::publish(batch& b) {
  announce(b, true);
  const ledger_metrics& m = ledger_metrics::get();
  m.batch_size.observe(static_cast<double>(b.commands.size()));
  const std::chrono::duration<double> took = detail::clock::now() - b.started;
  m.commit_seconds.observe(took.count());
  if (took >= options_.slow) {
    log::warn("slow batch", {{"duration_ms", took},
                             {"commands", b.commands.size()},
                             {"attempts", b.attempts},
                             {"request_id", b.commands.front()->command.request_id}});
  }
  m.commands.add(static_cast<double>(b.commands.size()));
  for (std::size_t i = 0; i < b.commands.size(); ++i) {
    domain::verdict& v = b.effects.verdicts[i];
    if (v && v->replayed) {
      m.replays.add();
    } else if (v) {
      ledger_metrics::count_row(v->row);
    }
    b.commands[i]->answer.set_from_any_thread(std::move(v));
  }
  b.commands.clear();
}

void lane::refuse_all(batch& b, errc code) { refuse_from(b, b.commands.begin(), code); }

void lane::refuse_from(batch& b, std::vector<pending*>::iterator first, errc code) {
  std::for_each(first, b.commands.end(),
                [code](pending* p) { p->answer.set_from_any_thread(std::unexpected(error{code})); });
  b.commands.erase(first, b.commands.end());
}

namespace detail {

using clock = std::chrono::steady_clock;

/// How long a rollback may take before the connection is dropped instead.
inline constexpr clock::duration rollback_budget = 1s;

/// How long other processes' batches hold their users' rows, and some.
inline constexpr clock::duration moment = 50ms;

/// How many users with held rows a lane remembers; one that is forgotten costs a batch the time for a lock once more.
inline constexpr std::size_t most_stuck = 256;

/// Whether the same batch may succeed if it is run again as it is.
inline bool is_transient(pg::sqlstate state) {
  return pg::is_conflict(state) || pg::is_timeout(state) || pg::is_server_unavailable(state);
}

/// Whether a server that answers so to a COMMIT does not know itself what became of it: a proxy, or one that keeps its
/// rows on others.
inline bool leaves_open(pg::sqlstate state) {
  return state == pg::sqlstate::statement_completion_unknown ||
         pg::class_of(state) == pg::class_of(pg::sqlstate::connection_failure);
}

}  // namespace detail

/// Answers the commands whose deadline has passed, or would pass: what ran into a limit of time takes as long again, so
/// what has less time left would be in flight at its deadline, and answered late or with its outcome unknown. That is
/// remembered no longer than it took, so that a lane tries again in any case. With an unresolved commit behind them,
/// the whole batch is one fate: it is kept together until the last deadline, then answered outcome_unknown.
void lane::drop_expired(batch& b) {
  const auto now = detail::clock::now();
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
                       (detail::leaves_open(failure.state()) && failure.statement_index() >= b.commit_index))) {
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
  if (answered && failure.connection_usable() && !detail::is_transient(failure.state())) {
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
    const auto now = detail::clock::now();
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
    co_await net::sleep_for(detail::moment);
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
  if (stuck_.size() >= detail::most_stuck) {
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
    co_await connection_->execute("rollback", net::deadline_in(detail::rollback_budget));
  } catch (const pg::error&) {
    failed = true;
  }
  if (failed) {
    connection_.reset();
  }
}

}  // namespace coffer::ledger
