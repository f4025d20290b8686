// One run of a scenario: processes with their lanes on one database, their clients, and those who disturb.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coffer/ledger/batch.hpp"
#include "coffer/ledger/lane_of.hpp"
#include "scenario.hpp"

namespace coffer::simulation {

/// What the lanes of a simulation have from outside.
struct environment {
  using connection = simulation::connection;
  using timer = simulation::timer;
  static chance& random() { return universe::current()->random; }
};

/// The server's lane in this world.
using lane = ledger::basic_lane<environment>;

/// A command that was sent, and what was answered.
struct attempt {
  domain::command command;
  int process = 0;
  std::uint64_t began = 0;  ///< in the order of all beginnings and ends
  std::uint64_t ended = 0;  ///< 0: not yet
  std::optional<domain::verdict> verdict;
  std::size_t group = 0;      ///< counts the groups that were sent
  bool must_succeed = false;  ///< it was sent when all was calm again
  milliseconds patience{};
};

/// Runs once. What it saw is for the checker.
class world {
 public:
  world(const scenario& s, bool readable);

  /// Runs to the end. False when something never ended.
  bool run();

  const scenario& from;
  universe below;
  std::deque<attempt> attempts;
  std::vector<std::string> violations;
  /// Commands of which a lane said that all is decided, and whether they had a row then.
  std::vector<std::pair<const attempt*, bool>> decided;
  std::set<std::string> lost;                             ///< requests whose rows a failover has lost
  std::map<std::int64_t, std::set<std::int64_t>> prices;  ///< that products have had

 private:
  using told_versions = std::map<user_id, version>;

  struct server {
    std::vector<std::unique_ptr<lane>> lanes;
    std::vector<std::unique_ptr<lane>> ended;  ///< of the time before a restart
    told_versions certain;                     ///< what the listener was told
    told_versions doubtful;
  };

  void fill();
  void open_process(int number);
  void restart(int number);
  void ask_state(const attempt& a);
  lane& lane_for(int process, user_id user);
  net::task<> ask(const wish& w);
  net::task<bool> ask_once(std::vector<domain::command> commands, int process, milliseconds patience, bool last);
  net::task<> probe();
  net::task<> disturb(const disturbance& d);
  net::task<> as_operator(disturbance d);
  net::task<> change(backend& b, const disturbance& d);
  void write_credits(backend& b, std::int64_t user, std::int64_t credits);
  void check_users();
  void check_told(const attempt& a);
  bool find_refunded(const wish& w, domain::command& c);
  void spawn(net::task<> what);

  std::vector<server> servers_;
  std::vector<std::string> links_;
  std::uint64_t order_ = 0;
  std::size_t groups_ = 0;
  std::size_t active_ = 0;   ///< clients and operators
  std::size_t running_ = 0;  ///< lanes
  std::int64_t written_by_operator_ = 0;
};

inline world::world(const scenario& s, bool readable) : from{s}, below{s.seed, s.db, readable} {
  below.db.wrong = s.wrong;
  below.db.on_commit = [this](const auto&) { check_users(); };
  below.db.on_loss = [this](slot_base& row) {
    if (const auto* journal = dynamic_cast<slot<domain::transaction>*>(&row)) {
      const domain::transaction& gone = *journal->newest;
      lost.insert(gone.request_id);
      below.db.lost_rows[{gone.user.value, gone.at.value}] = gone.created_at;
    }
  };
  fill();
  servers_.resize(static_cast<std::size_t>(s.processes));
  for (int i = 0; i < s.processes; ++i) {
    open_process(i);
  }
}

inline void world::fill() {
  tables& t = below.db.rows;
  for (std::size_t i = 0; i < from.balances.size(); ++i) {
    const std::int64_t id = static_cast<std::int64_t>(i) + 1;
    // Some are from before there was an event log.
    t.users[id].newest = user_row{from.balances[i], 1, id % 2 == 0 ? std::nullopt : std::optional<std::int64_t>{1}};
    domain::transaction first;
    first.user = user_id{id};
    first.at = version{1};
    first.amount = first.balance_after = domain::credits{from.balances[i]};
    first.request_id = "first";
    first.created_at = below.db.wall();
    t.journal[{id, 1}].newest = first;
  }
  for (std::size_t i = 0; i < from.products.size(); ++i) {
    const domain::product_terms& p = from.products[i];
    t.products[p.id.value].newest = p;
    prices[p.id.value].insert(p.price.value);
    if (p.is_limited) {
      t.stocks[p.id.value].newest = stock_row{from.supplies[i], 0};
    }
  }
}

inline void world::open_process(int number) {
  const auto index = static_cast<std::size_t>(number);
  server& made = servers_[index];
  for (int i = 0; i < from.lanes; ++i) {
    ledger::lane_options how;
    how.database.url = fmt::format("process{}.lane{}", number + 1, i + 1);
    how.database.lock_timeout = from.db.lock_timeout;
    how.database.statement_timeout = from.db.statement_timeout;
    how.max_batch = from.max_batch;
    how.queue_limit = from.queue_limit;
    how.number = i;
    how.lane_key = static_cast<std::int16_t>(i + 1);  // the same in each process, as it may happen
    links_.push_back(how.database.url);
    auto listen = [this, index](std::span<const ledger::user_version> users, bool certain) {
      told_versions& told = certain ? servers_[index].certain : servers_[index].doubtful;
      for (const auto& [user, at] : users) {
        told[user] = std::max(told[user], at);
      }
    };
    made.lanes.push_back(std::make_unique<lane>(below.context.get_executor(), std::move(how), listen));
    ++running_;
    asio::co_spawn(below.context, made.lanes.back()->run(), [this](const std::exception_ptr& e) {
      --running_;
      if (e) {
        violations.emplace_back("a lane ended with an exception");
      }
    });
  }
}

inline void world::restart(int number) {
  server& p = servers_[static_cast<std::size_t>(number)];
  for (auto& l : p.lanes) {
    l->stop();
    p.ended.push_back(std::move(l));
  }
  p.lanes.clear();
  open_process(number);
}

/// Once a lane says that all under a key is decided, nothing about it changes. A restarted process does not know.
inline void world::ask_state(const attempt& a) {
  const server& p = servers_[static_cast<std::size_t>(a.process)];
  if (a.command.idempotency_key.empty() || !p.ended.empty() ||
      lane_for(a.process, a.command.user).state_of(domain::place_of(a.command)) != ledger::key_state::decided) {
    return;
  }
  const auto& journal = below.db.rows.journal;
  decided.emplace_back(&a, std::ranges::any_of(journal, [&a](const auto& entry) {
    return entry.second.newest && entry.second.newest->request_id == a.command.request_id;
  }));
}

inline lane& world::lane_for(int process, user_id user) {
  auto& lanes = servers_[static_cast<std::size_t>(process)].lanes;
  return *lanes[ledger::lane_of(user) * lanes.size() / ledger::logical_lanes];
}

inline void world::spawn(net::task<> what) {
  ++active_;
  asio::co_spawn(below.context, std::move(what), [this](const std::exception_ptr& e) {
    --active_;
    if (e) {
      std::rethrow_exception(e);
    }
  });
}

/// What is true of every user after every commit.
inline void world::check_users() {
  const tables& t = below.db.rows;
  for (const auto& [id, user] : t.users) {
    const auto last = t.journal.find({id, user.newest->version});
    const auto next = t.journal.find({id, user.newest->version + 1});
    const bool ends_there = next == t.journal.end() || !next->second.newest;
    if (last == t.journal.end() || !last->second.newest || !ends_there ||
        last->second.newest->balance_after.value != user.newest->balance) {
      violations.push_back(fmt::format("user {} at version {} is not what the journal says", id, user.newest->version));
    }
  }
}

/// Who is told of a row, the listener was told of before; who is told that nothing is known, too.
inline void world::check_told(const attempt& a) {
  server& p = servers_[static_cast<std::size_t>(a.process)];
  const domain::verdict& v = *a.verdict;
  if (v && p.certain[a.command.user] < v->row.at) {
    violations.push_back(fmt::format("{} was answered before the listener", a.command.request_id));
  }
  const bool exists = below.db.rows.users.contains(a.command.user.value);
  if (exists && !v && v.error().code == errc::outcome_unknown && p.doubtful[a.command.user] == version{}) {
    violations.push_back(fmt::format("{} is unknown, and the listener does not know", a.command.request_id));
  }
}

/// True when the outcome is known.
inline net::task<bool> world::ask_once(std::vector<domain::command> commands, int process, milliseconds patience,
                                       bool last) {
  std::deque<ledger::pending> waiting;
  std::vector<ledger::pending*> all;
  std::vector<attempt*> sent;
  ++groups_;
  for (domain::command& c : commands) {
    c.request_id = fmt::format("r{}", attempts.size() + 1);
    below.events.note("client sends", c.request_id, "to process", process + 1, "for user", c.user.value,
                      domain::to_string(c.kind), "of", c.product.value_or(product_id{}).value, c.quantity,
                      c.amount.value, "key", c.idempotency_key);
    sent.push_back(&attempts.emplace_back(c, process, ++order_, 0, std::nullopt, groups_, last, patience));
    all.push_back(&waiting.emplace_back(std::move(c), clock::now() + patience, below.context.get_executor()));
  }
  lane_for(process, all.front()->command.user).push_group(all);
  bool known = true;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    domain::verdict v = co_await waiting[i].answer.wait();
    attempt& a = *sent[i];
    a.ended = ++order_;
    below.events.note("client is told", a.command.request_id,
                      v ? std::string_view{"version"} : to_string(v.error().code), v ? v->row.at.value : 0,
                      v ? domain::reason_of(v->row) : "", v ? v->replayed : false);
    known = known && (v || (v.error().code != errc::unavailable && v.error().code != errc::overloaded &&
                            v.error().code != errc::outcome_unknown));
    a.verdict = std::move(v);
    check_told(a);
    if (!*a.verdict && a.verdict->error().code == errc::outcome_unknown) {
      ask_state(a);
      below.time.in(milliseconds{150}, [this, &a] { ask_state(a); });
    }
  }
  co_return known;
}

/// The row that a refund is about: one that can be seen, though a failover may take it back. False when there is none.
inline bool world::find_refunded(const wish& w, domain::command& c) {
  std::vector<const domain::transaction*> rows;
  for (const auto& [key, row] : below.db.rows.journal) {
    if (row.newest && row.newest->user == c.user) {
      rows.push_back(&*row.newest);
    }
  }
  if (rows.empty()) {
    return false;
  }
  const domain::transaction& row = *rows[static_cast<std::size_t>(w.refunds) % rows.size()];
  c.purchase = domain::to_refund(row);
  c.product = row.product;
  return true;
}

inline net::task<> world::ask(const wish& w) {
  co_await net::sleep_for<timer>(w.at);
  std::vector<domain::command> commands = w.commands;
  if (w.refunds >= 0 && !find_refunded(w, commands.front())) {
    co_return;
  }
  int process = w.process;
  for (int i = 0; i < w.tries; ++i) {
    const bool known = co_await ask_once(commands, process, w.patience, false);
    if (known) {
      co_return;
    }
    co_await net::sleep_for<timer>(below.random.within(milliseconds{1}, milliseconds{300}));
    process = static_cast<int>(below.random.below(from.processes));
  }
}

/// When all is over, every lane works as before.
inline net::task<> world::probe() {
  below.links.calm();
  below.db.options = from.db;
  co_await net::sleep_for<timer>(std::chrono::seconds{30});
  for (int process = 0; process < from.processes; ++process) {
    for (std::size_t i = 0; i < from.balances.size(); ++i) {
      domain::command c;
      c.kind = domain::transaction_kind::deposit;
      c.user = user_id{static_cast<std::int64_t>(i) + 1};
      c.quantity = 0;
      c.amount = domain::credits{1};
      std::vector<domain::command> one;
      one.push_back(std::move(c));
      co_await ask_once(std::move(one), process, milliseconds{5000}, true);
    }
  }
}

inline void world::write_credits(backend& b, std::int64_t user, std::int64_t credits) {
  tables& t = below.db.rows;
  slot<user_row>& row = t.users.at(user);
  const user_row old = *row.seen_by(&b);
  row.written = user_row{old.balance + credits, old.version + 1, old.event_version, old.event_stream};
  domain::transaction made;
  made.user = user_id{user};
  made.at = version{old.version + 1};
  made.kind = domain::transaction_kind::grant;
  made.amount = domain::credits{credits};
  made.balance_after = domain::credits{old.balance + credits};
  made.request_id = fmt::format("operator{}", ++written_by_operator_);
  made.created_at = below.db.wall();
  slot<domain::transaction>& entry = t.journal[{user, old.version + 1}];
  if (!database::try_lock(b, entry) || entry.newest) {
    throw refusal{pg::sqlstate::unique_violation, "transactions_pkey"};
  }
  entry.written = std::move(made);
}

/// In a transaction of an operator.
inline net::task<> world::change(backend& b, const disturbance& d) {
  using kind = disturbance::kind;
  tables& t = below.db.rows;
  const std::int64_t user = d.where % std::ssize(from.balances) + 1;
  const std::int64_t product = d.where % std::ssize(from.products) + 1;
  if (d.what == kind::hold || d.what == kind::write) {
    const bool of_stock = d.what == kind::hold && d.number % 3 == 0 && t.stocks.contains(product);
    co_await below.db.lock(b, of_stock ? static_cast<slot_base&>(t.stocks[product]) : t.users.at(user));
    co_await net::sleep_for<timer>(d.length);
    if (d.what == kind::write && !b.ended) {
      write_credits(b, user, d.number % 50);
    }
    co_return;
  }
  slot<domain::product_terms>& terms = t.products.at(product);
  co_await below.db.lock(b, terms);
  domain::product_terms changed = *terms.seen_by(&b);
  if (d.what == kind::change_terms) {
    changed.price = domain::credits{d.number % 60};
    changed.is_active = d.number % 4 != 0;
    prices[product].insert(changed.price.value);
    terms.written = changed;
    co_return;
  }
  slot<stock_row>& stock = t.stocks[product];
  co_await below.db.lock(b, stock);
  const stock_row old = stock.seen_by(&b) == nullptr ? stock_row{} : *stock.seen_by(&b);
  changed.is_limited = d.number % 3 != 0;
  terms.written = changed;
  stock.written = stock_row{changed.is_limited ? std::optional{old.sold + d.number % 10} : std::nullopt, old.sold};
}

inline net::task<> world::as_operator(disturbance d) {
  backend& b = below.db.connect("operator");
  b.state = pg::transaction_state::in_transaction;
  b.serving = true;
  try {
    co_await change(b, d);
    if (!b.ended) {
      co_await below.db.commit(b);
    }
  } catch (const refusal&) {
    below.db.roll_back(b);
  } catch (const terminated&) {
    below.events.note("operator is terminated");
  }
  b.serving = false;
}

inline net::task<> world::disturb(const disturbance& d) {
  using kind = disturbance::kind;
  co_await net::sleep_for<timer>(d.at);
  const std::string& link = links_[static_cast<std::size_t>(d.where) % links_.size()];
  backend* session = nullptr;
  for (const auto& b : below.db.sessions()) {
    session = !b->ended && b->name == link ? b.get() : session;
  }
  meet(name_of(d.what));
  below.events.note("disturbs", name_of(d.what), link, d.where, d.length.count(), d.number);
  if (d.what == kind::mishap) {
    below.events.note("  ", name_of(d.wrong.what), d.wrong.at_commit, pg::to_string(d.wrong.state), d.wrong.silent);
  }
  switch (d.what) {
    case kind::mishap:
      below.links.arm(link, d.wrong);
      break;
    case kind::slow:
      below.links.slow_down(link, d.length, milliseconds{d.number});
      break;
    case kind::cancel:
      if (session != nullptr) {
        below.db.cancel(*session);
      }
      break;
    case kind::terminate:
      if (session != nullptr) {
        below.db.terminate(*session, pg::sqlstate::admin_shutdown);
      }
      break;
    case kind::hold:
    case kind::write:
    case kind::change_terms:
    case kind::change_supply:
      co_await as_operator(d);
      break;
    case kind::restart:
      restart(static_cast<int>(d.where % from.processes));
      break;
    case kind::fail_over:
      below.db.fail_over(d.number, d.length);
      break;
    case kind::stall_standby: {
      const auto usual = std::exchange(below.db.options.replication_time, d.length);
      co_await net::sleep_for<timer>(d.length);
      below.db.options.replication_time = usual;
      break;
    }
  }
}

inline bool world::run() {
  for (const wish& w : from.wishes) {
    spawn(ask(w));
  }
  for (const disturbance& d : from.disturbances) {
    spawn(disturb(d));
  }
  bool probing = false, stopping = false;
  constexpr std::size_t too_many = 200'000;
  for (std::size_t steps = 0; steps < too_many; ++steps) {
    below.context.restart();
    below.context.poll();
    if (active_ == 0 && !probing && from.probes) {
      probing = true;
      spawn(probe());
    } else if (active_ == 0 && !stopping) {
      stopping = true;
      for (server& p : servers_) {
        for (const auto& l : p.lanes) {
          l->stop();
        }
      }
    } else if (!below.time.advance()) {
      return active_ == 0 && running_ == 0;
    }
  }
  return false;
}

}  // namespace coffer::simulation
