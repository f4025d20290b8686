#include "coffer/ledger/lane.hpp"

#include <algorithm>
#include <random>

#include "coffer/base/log.hpp"
#include "coffer/domain/decide.hpp"
#include "coffer/ledger/lane_batch.hpp"
#include "coffer/ledger/ledger_metrics.hpp"
#include "coffer/store/batch_store.hpp"

namespace coffer::ledger {

namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// How much longer than the server's own statement timeout a round trip of a batch may take, so that the server
/// normally answers first.
constexpr clock::duration round_trip_margin = 500ms;

/// Full jitter between half and all of 20 ms doubled per attempt, at most 320 ms.
clock::duration backoff(int attempt) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto ceiling = 20ms * (1 << std::min(attempt, 4));
  return ceiling / 2 + std::chrono::milliseconds{std::uniform_int_distribution<long>{0, ceiling.count() / 2}(random)};
}

/// How many limited products a lane remembers; the rest costs a second loading of a batch, nothing else.
constexpr std::size_t limited_hint = 4096;

/// How many keys in doubt a lane remembers: those of four batches, which have their requests' time each.
constexpr std::size_t most_doubts = 1024;

/// Whether a purchase or refund needs a stock that was not locked.
bool misses_stock(std::span<const domain::command* const> commands, domain::batch_state& state,
                  const std::set<product_id>& locked) {
  return std::any_of(commands.begin(), commands.end(), [&](const domain::command* c) {
    if (!domain::needs_stock(*c)) {
      return false;
    }
    const domain::product_terms* terms = state.find_product(*c->product);
    return terms != nullptr && terms->is_limited && !locked.contains(*c->product);
  });
}

}  // namespace

/// When the next round trip of `b` must have ended. A statement timeout of 0 is none.
net::deadline lane::next_deadline(const batch& b) const {
  const std::chrono::milliseconds limit = options_.database.statement_timeout;
  const net::deadline latest = b.latest_deadline();
  return limit == 0ms ? latest : std::min(latest, net::deadline_in(limit + round_trip_margin));
}

lane::lane(net::executor ex, lane_options options, commit_listener on_commit)
    : executor_{std::move(ex)},
      options_{std::move(options)},
      on_commit_{std::move(on_commit)},
      queue_{executor_, options_.queue_limit, options_.patience},
      doubts_{most_doubts} {
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
  const auto now = clock::now();
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
      co_await net::sleep_for(backoff(b.attempts));
    }
  }
}

net::task<lane::next_step> lane::attempt(batch& b) {
  b.committing = false;
  b.attempted = clock::now();
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
    if (!misses_stock(commands, b.state, limited_)) {
      remember_limited(b.state.products);
      co_return;
    }
    remember_limited(b.state.products);
    co_await connection_->execute("rollback", next_deadline(b));
  }
}

void lane::remember_limited(std::span<const domain::product_terms> products) {
  if (limited_.size() > limited_hint) {
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

void lane::refuse_all(batch& b, errc code) { refuse_from(b, b.commands.begin(), code); }

void lane::refuse_from(batch& b, std::vector<pending*>::iterator first, errc code) {
  std::for_each(first, b.commands.end(),
                [code](pending* p) { p->answer.set_from_any_thread(std::unexpected(error{code})); });
  b.commands.erase(first, b.commands.end());
}

}  // namespace coffer::ledger
