// How a lane carries out its batches: each is one transaction, run again, looked up, taken apart or given up when it
// fails. Included by ledger.cpp alone, and by tests that have lanes of their own.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
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

/// Nothing of the batch can be in the database: its rows are loaded, or it waits for another attempt.
struct loading {};

/// The statements that end in COMMIT were handed to the connection.
struct committing {
  std::size_t commit_index;  ///< of COMMIT among them
};

/// The connection was lost around the commit, or the server does not know what became of it: it may have happened. The
/// row is looked for before anything else.
struct unresolved {
  proof row;
};

using batch_stage = std::variant<loading, committing, unresolved>;

/// The commands of one transaction and what is known about it.
template <typename Environment>
struct basic_lane<Environment>::batch {
  std::vector<pending*> commands;
  domain::batch_state state;
  domain::held_rows held;  ///< missing in `state` because somebody else holds them
  domain::batch_effects effects;
  int attempts = 0;
  net::deadline attempted;  ///< when the last attempt began
  batch_stage stage = loading{};
  net::deadline started = clock::now();

  [[nodiscard]] bool is_unresolved() const { return std::holds_alternative<unresolved>(stage); }

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
template <typename Random>
clock::duration backoff(int attempt, Random& random) {
  return coffer::backoff(20ms, 320ms, attempt, random);
}

/// How many limited products a lane remembers; the rest costs a second loading of a batch, nothing else.
inline constexpr std::size_t limited_hint = 4096;

/// How many unresolved keys a lane remembers: those of four batches, which have their requests' time each.
inline constexpr std::size_t most_unresolved = 1024;

/// How long other processes' batches hold their rows, and some.
inline constexpr clock::duration moment = 50ms;

/// How many held rows of each kind a lane remembers; one that is forgotten costs a batch the time for a lock once more.
inline constexpr std::size_t most_held = 256;

/// Whether `c` cannot be decided in `state`, for want of rows that are held. What the journal answers needs no stock.
inline bool is_held(const domain::held_rows& held, const domain::batch_state& state, const domain::command& c) {
  const bool replayed = !c.idempotency_key.empty() && state.find_keyed(domain::place_of(c)) != nullptr;
  return held.users.contains(c.user) || (held.concern(c) && !replayed);
}

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
template <typename Environment>
net::deadline basic_lane<Environment>::next_deadline(const batch& b) const {
  const std::chrono::milliseconds limit = options_.database.statement_timeout;
  const net::deadline latest = b.latest_deadline();
  return limit == 0ms ? latest : std::min(latest, clock::now() + limit + detail::round_trip_margin);
}

template <typename Environment>
basic_lane<Environment>::basic_lane(net::executor ex, lane_options options, commit_listener on_commit)
    : executor_{std::move(ex)},
      options_{std::move(options)},
      on_commit_{std::move(on_commit)},
      queue_{executor_, options_.queue_limit, options_.patience},
      stream_{store::event_stream::writer::lane, options_.number},
      unresolved_{detail::most_unresolved} {
  store::add_batch_settings(options_.database);
}

template <typename Environment>
basic_lane<Environment>::~basic_lane() = default;

template <typename Environment>
void basic_lane<Environment>::push(pending& p) {
  pending* const alone[] = {&p};
  push_group(alone);
}

template <typename Environment>
void basic_lane<Environment>::push_group(std::span<pending* const> group) {
  if (stopping_) {
    queue_.refuse(group);
    return;
  }
  queue_.push(group);
  wake();
}

template <typename Environment>
void basic_lane<Environment>::wake() {
  if (idle_ && !woken_) {
    woken_ = true;
    idle_->set(true);
  }
}

template <typename Environment>
key_state basic_lane<Environment>::state_of(const domain::key_place& place) const {
  const auto matches = [&place](const pending* p) { return p->is(place); };
  const bool here = queue_.holds(place) || std::any_of(running_.begin(), running_.end(), [&](const batch* b) {
                      return std::any_of(b->commands.begin(), b->commands.end(), matches);
                    });
  if (here) {
    return key_state::in_progress;
  }
  return unresolved_.holds(place) ? key_state::unresolved : key_state::decided;
}

template <typename Environment>
void basic_lane<Environment>::stop() {
  stopping_ = true;
  wake();
}

template <typename Environment>
net::task<> basic_lane<Environment>::wait_for_work() {
  woken_ = false;
  idle_.emplace(executor_);
  co_await idle_->wait();
  idle_.reset();
}

template <typename Environment>
net::task<> basic_lane<Environment>::run() {
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

template <typename Environment>
std::vector<pending*> basic_lane<Environment>::next_batch() {
  std::vector<pending*> commands = queue_.take(options_.max_batch);
  const auto now = clock::now();
  for (const pending* p : commands) {
    ledger_metrics::get().queue_wait_seconds.observe(std::chrono::duration<double>(now - p->queued_at).count());
  }
  return commands;
}

template <typename Environment>
net::task<> basic_lane<Environment>::execute(std::vector<pending*> commands) {
  batch b;
  b.commands = std::move(commands);
  running_.push_back(&b);
  co_await carry_out(b);
  running_.pop_back();
}

// attempt(), and when that fails recover(), was_committed() if the outcome is not known, and attempt() again.
template <typename Environment>
net::task<> basic_lane<Environment>::carry_out(batch& b) {
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
      co_await net::sleep_for<typename Environment::timer>(detail::backoff(b.attempts, Environment::random()));
    }
  }
}

template <typename Environment>
net::task<typename basic_lane<Environment>::next_step> basic_lane<Environment>::attempt(batch& b) {
  b.attempted = clock::now();
  ++b.attempts;
  std::optional<pg::error> failure;
  try {
    if (!connection_) {
      connection_ = co_await Environment::connection::open(executor_, options_.database, b.latest_deadline());
    }
    if (b.is_unresolved() && co_await was_committed(b)) {
      settle_keys(b);
      publish(b);
      co_return next_step::done;
    }
    co_await load(b);
    if (b.commands.empty()) {
      co_await roll_back();
      co_return next_step::done;
    }
    forget_held(b);
    b.effects = domain::decide(b.list(), b.state);
    if (b.witness() == nullptr) {
      publish(b);
      co_await roll_back();
      co_return next_step::done;
    }
    // Also when nothing is new: what is replayed may be committed on this server alone, as was_committed() knows.
    pg::pipeline apply =
        store::apply_batch(b.state, b.effects, {.lane_key = options_.lane_key, .stream = stream_.number()});
    b.stage = committing{apply.size() - 1};
    const std::vector<pg::rows> applied = co_await connection_->run(std::move(apply), next_deadline(b));
    b.stage = loading{};
    demand_commit(applied.back());
    slow_until_ = {};
    settle_keys(b);
    publish(b);
    co_return next_step::done;
  } catch (const pg::error& e) {
    failure.emplace(e);
  }
  co_return co_await recover(b, *std::move(failure));
}

/// Reads and locks what the batch needs. Commands that cannot be decided, because somebody else holds a row of theirs
/// for long, are answered and leave the batch; the others go on in the same transaction.
template <typename Environment>
net::task<> basic_lane<Environment>::load(batch& b) {
  const bool expects_held =
      std::ranges::any_of(b.commands, [this](const pending* p) { return held_.concern(p->command); });
  // What was held and is merely busy now, with batches of other lanes or processes, gets its turn when it waits in
  // line.
  const bool loaded = co_await load_in_time(b, expects_held ? store::locking::wait_briefly : store::locking::wait);
  if (!loaded && !b.commands.empty()) {
    co_await load_what_is_free(b);
  }
}

/// False when the time for a lock was up: nothing is locked then, and commands whose deadline has passed meanwhile are
/// answered.
template <typename Environment>
net::task<bool> basic_lane<Environment>::load_in_time(batch& b, store::locking form) {
  std::optional<pg::error> late;
  try {
    co_await lock_and_read(b, form);
    co_return true;
  } catch (const pg::error& e) {
    if (e.state() != pg::sqlstate::lock_not_available || !e.connection_usable()) {
      throw;
    }
    late.emplace(e);
  }
  if (form == store::locking::wait) {
    note_failure(b, *late);
    ledger_metrics::count_retry(pg::to_string(late->state()));
  }
  co_await roll_back();
  drop_expired(b);
  b.attempted = clock::now();
  co_return false;
}

/// Loads without what one transaction of somebody else holds for more than a moment. A row that was written meanwhile
/// is not held but busy, with batches of other lanes or processes: who waits in line for it gets it. A batch that
/// nobody waits for waits in any case.
template <typename Environment>
net::task<> basic_lane<Environment>::load_what_is_free(batch& b) {
  co_await lock_and_read(b, store::locking::skip);
  domain::held_rows held = b.held.unchanged_since(held_);
  if (held != b.held) {
    const domain::held_rows seen = b.held;
    co_await roll_back();
    co_await net::sleep_for<typename Environment::timer>(detail::moment);
    co_await lock_and_read(b, store::locking::skip);
    held = b.held.unchanged_since(seen);
  }
  if (b.held.empty()) {
    co_return;
  }
  remember_held(held);
  const bool is_busy = held != b.held;
  if (!is_alone(b)) {
    refuse_held(b, held);
    if (!is_busy || b.commands.empty()) {
      co_return;
    }
  }
  // It may take as long again.
  slow_ = options_.database.lock_timeout;
  slow_until_ = clock::now() + slow_;
  drop_expired(b);
  if (b.commands.empty()) {
    co_return;
  }
  co_await roll_back();
  ++b.attempts;
  co_await lock_and_read(b, store::locking::wait);
}

/// A product that turns out to be limited without its stock being locked is remembered and everything is locked anew,
/// because stocks come in the order of their ids.
template <typename Environment>
net::task<> basic_lane<Environment>::lock_and_read(batch& b, store::locking form) {
  const auto commands = b.list();
  for (;;) {
    if (!connection_) {
      connection_ = co_await Environment::connection::open(executor_, options_.database, b.latest_deadline());
    }
    pg::pipeline statements = store::load_batch(commands, limited_, form, options_.database.lock_timeout);
    const std::vector<pg::rows> results = co_await connection_->run(std::move(statements), next_deadline(b));
    store::loaded_batch loaded = store::read_batch(commands, limited_, form, results);
    b.state = std::move(loaded.state);
    b.held = std::move(loaded.held);
    const bool complete = !detail::misses_stock(commands, b.state, limited_);
    remember_limited(b.state.products);
    if (complete) {
      co_return;
    }
    co_await connection_->execute("rollback", next_deadline(b));
  }
}

template <typename Environment>
void basic_lane<Environment>::remember_limited(std::span<const domain::product_terms> products) {
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

template <typename Environment>
void basic_lane<Environment>::announce(const batch& b, bool certain) {
  std::vector<user_version> users;
  users.reserve(b.state.wallets.size());
  for (const domain::wallet& w : b.state.wallets) {
    users.emplace_back(w.user, w.at);
  }
  if (!users.empty()) {
    on_commit_(users, certain);
  }
}

template <typename Environment>
void basic_lane<Environment>::publish(batch& b) {
  announce(b, true);
  const ledger_metrics& m = ledger_metrics::get();
  m.batch_size.observe(static_cast<double>(b.commands.size()));
  const std::chrono::duration<double> took = clock::now() - b.started;
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

template <typename Environment>
void basic_lane<Environment>::refuse_all(batch& b, errc code) {
  refuse_from(b, b.commands.begin(), code);
}

template <typename Environment>
void basic_lane<Environment>::refuse_from(batch& b, std::vector<pending*>::iterator first, errc code) {
  std::for_each(first, b.commands.end(),
                [code](pending* p) { p->answer.set_from_any_thread(std::unexpected(error{code})); });
  b.commands.erase(first, b.commands.end());
}

namespace detail {

/// How long a rollback may take before the connection is dropped instead.
inline constexpr clock::duration rollback_budget = 1s;

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
template <typename Environment>
void basic_lane<Environment>::drop_expired(batch& b) {
  const auto now = clock::now();
  if (b.is_unresolved()) {
    if (now >= b.latest_deadline()) {
      // It may have been committed, so nothing older than it may be served from the cache any more.
      announce(b, false);
      ledger_metrics::get().unknown_answered.add();
      remember_unresolved(b);
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

/// The rows of a batch are locked: whatever held them has ended.
template <typename Environment>
void basic_lane<Environment>::forget_held(const batch& b) {
  if (held_.empty()) {
    return;
  }
  for (const pending* p : b.commands) {
    held_.users.erase(p->command.user);
    if (domain::needs_stock(p->command) && !b.held.stocks.contains(*p->command.product)) {
      held_.stocks.erase(*p->command.product);
    }
  }
}

/// A batch is committed: whatever may have written for its users had ended when it locked them, and what that left
/// behind is where the standbys must have it. The lock alone would not tell so.
template <typename Environment>
void basic_lane<Environment>::settle_keys(const batch& b) {
  const std::size_t before = unresolved_.size();
  if (before == 0) {
    return;
  }
  for (const domain::wallet& w : b.state.wallets) {
    unresolved_.settle(w.user);
  }
  ledger_metrics::get().unresolved_keys.add(-static_cast<double>(before - unresolved_.size()));
}

template <typename Environment>
void basic_lane<Environment>::remember_unresolved(const batch& b) {
  const std::size_t before = unresolved_.size();
  for (const pending* p : b.commands) {
    if (!p->command.idempotency_key.empty() && !unresolved_.add(domain::place_of(p->command))) {
      ledger_metrics::get().unresolved_keys_forgotten.add();
    }
  }
  ledger_metrics::get().unresolved_keys.add(static_cast<double>(unresolved_.size() - before));
}

/// Settles an unresolved commit: true when it happened. Locking its users waits until the old transaction has ended,
/// so that afterwards the journal holds either this batch's rows or none of them.
template <typename Environment>
net::task<bool> basic_lane<Environment>::was_committed(batch& b) {
  const std::vector<std::int64_t> users = b.users();
  const proof wanted = std::get<unresolved>(b.stage).row;
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
  log::warn("unresolved commit settled", {{"committed", found}, {"commands", b.commands.size()}});
  b.stage = loading{};
  co_return found;
}

template <typename Environment>
void basic_lane<Environment>::note_failure(const batch& b, const pg::error& failure) {
  log::debug("batch attempt failed", {{"sqlstate", pg::to_string(failure.state())},
                                      {"message", failure.what()},
                                      {"attempt", b.attempts},
                                      {"commands", b.commands.size()},
                                      {"committing", std::holds_alternative<committing>(b.stage)}});
  pg::failed_attempts::get().note(failure);
}

template <typename Environment>
net::task<typename basic_lane<Environment>::next_step> basic_lane<Environment>::recover(batch& b, pg::error failure) {
  const bool answered = failure.delivered() == pg::delivery::answered;
  const std::string sqlstate = pg::to_string(failure.state());
  const auto* sent = std::get_if<committing>(&b.stage);
  note_failure(b, failure);
  // The row of the event log comes right before the commit.
  const bool must_move = sent != nullptr && store::met_other_writer(failure, sent->commit_index - 1);
  // A commit is unresolved whose answer never came, or leaves it open; any other error that the server reported ended
  // the transaction.
  if (sent != nullptr) {
    const bool open = failure.delivered() == pg::delivery::unknown ||
                      (detail::leaves_open(failure.state()) && failure.statement_index() >= sent->commit_index);
    const domain::transaction& first = *b.witness();
    b.stage = open ? batch_stage{unresolved{{first.user, first.at, first.request_id, first.created_at}}}
                   : batch_stage{loading{}};
  }
  // A server that cannot work, or that has become read-only, is left: another host of the URL may have taken over.
  if (connection_ && failure.connection_usable() && !pg::is_server_unavailable(failure.state())) {
    co_await roll_back();
  } else {
    connection_.reset();
  }
  if (b.is_unresolved()) {
    ledger_metrics::count_retry(sqlstate);
    co_return next_step::retry;  // until it is settled or the last deadline has passed
  }
  if (must_move) {
    stream_.move(Environment::random());
    --b.attempts;  // nothing failed
    ledger_metrics::count_retry(sqlstate);
    drop_expired(b);
    co_return b.commands.empty() ? next_step::done : next_step::again;
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

/// Whether nothing of the batch can go on without the rows that are held, and nobody else is kept waiting by it.
template <typename Environment>
bool basic_lane<Environment>::is_alone(const batch& b) const {
  const user_id user = b.commands.front()->command.user;
  return queue_.empty() && running_.size() == 1 && std::ranges::all_of(b.commands, [&](const pending* p) {
           return p->command.user == user && detail::is_held(b.held, b.state, p->command);
         });
}

/// Refuses the commands whose rows somebody else holds, with all that happens together with them.
template <typename Environment>
void basic_lane<Environment>::refuse_held(batch& b, const domain::held_rows& held) {
  std::vector<pending*> free;
  std::vector<pending*> refused;
  for (std::size_t i = 0; i < b.commands.size(); i += b.commands[i]->command.together) {
    const auto group = std::span{b.commands}.subspan(i, b.commands[i]->command.together);
    const bool is_held =
        std::ranges::any_of(group, [&](const pending* p) { return detail::is_held(held, b.state, p->command); });
    std::vector<pending*>& to = is_held ? refused : free;
    to.insert(to.end(), group.begin(), group.end());
  }
  if (refused.empty()) {
    return;
  }
  log::warn("somebody else holds the rows of users or stocks", {{"users", held.users.size()},
                                                                {"stocks", held.stocks.size()},
                                                                {"user_id", refused.front()->command.user.value},
                                                                {"commands", refused.size()}});
  ledger_metrics::get().held.add(static_cast<double>(refused.size()));
  const auto first_refused = static_cast<std::ptrdiff_t>(free.size());
  b.commands = std::move(free);
  b.commands.insert(b.commands.end(), refused.begin(), refused.end());
  refuse_from(b, b.commands.begin() + first_refused, errc::unavailable);
}

template <typename Environment>
void basic_lane<Environment>::remember_held(const domain::held_rows& rows) {
  const auto add = [](auto& known, const auto& more) {
    if (known.size() + more.size() > detail::most_held) {
      known.clear();
    }
    for (const auto& [id, number] : more) {
      known.insert_or_assign(id, number);
    }
  };
  add(held_.users, rows.users);
  add(held_.stocks, rows.stocks);
}

/// Ends whatever transaction is open; a connection that cannot do so is dropped.
template <typename Environment>
net::task<> basic_lane<Environment>::roll_back() {
  if (!connection_ || connection_->state() == pg::transaction_state::idle) {
    co_return;
  }
  bool failed = false;
  try {
    co_await connection_->execute("rollback", clock::now() + detail::rollback_budget);
  } catch (const pg::error&) {
    failed = true;
  }
  if (failed) {
    connection_.reset();
  }
}

}  // namespace coffer::ledger
