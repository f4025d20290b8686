// The invariants, over what clients were told and what the database holds at the end of a run. Those of
// tests/faults/checker.py, and some that can be known here alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "coffer/domain/replay.hpp"
#include "world.hpp"

namespace coffer::simulation {

/// Holds a world that has run to its promises.
class checker {
 public:
  explicit checker(world& of) : of_{of}, rows_{of.below.db.rows} {}

  /// Adds to the world's violations.
  void run();

 private:
  template <typename... Args>
  void violated(fmt::format_string<Args...> text, Args&&... args) {
    of_.violations.push_back(fmt::format(text, std::forward<Args>(args)...));
  }
  template <typename Row>
  static const Row* newest(const slot<Row>& s) {
    return s.newest ? &*s.newest : nullptr;
  }

  void index();
  void check_books();
  void check_stocks();
  void check_sales();
  void check_refunds();
  void check_events();
  void check_row(const domain::transaction& row);
  [[nodiscard]] const domain::transaction* stored(const domain::transaction& told) const;
  [[nodiscard]] bool is_done(const domain::command& c) const;
  void check_attempt(const attempt& a);
  void check_success(const attempt& a, const domain::decision& told);
  void check_refusal(const attempt& a, errc code, std::size_t rows);
  void check_groups();
  void check_real_time();
  /// Nothing goes wrong, and a commit takes a moment.
  [[nodiscard]] bool is_calm() const {
    return of_.from.disturbances.empty() && of_.from.db.replication_time <= milliseconds{5};
  }

  world& of_;
  const tables& rows_;
  std::vector<const domain::transaction*> journal_;  ///< by user, version
  std::multimap<std::string, const domain::transaction*> by_request_;
};

inline void checker::run() {
  index();
  check_books();
  check_stocks();
  check_sales();
  check_refunds();
  check_events();
  for (const domain::transaction* row : journal_) {
    check_row(*row);
  }
  for (const attempt& a : of_.attempts) {
    check_attempt(a);
  }
  check_groups();
  check_real_time();
  for (const auto& [a, had_row] : of_.decided) {
    const std::string& request = a->command.request_id;
    if ((by_request_.count(request) > 0) != had_row && !of_.lost.contains(request)) {
      violated("{} changed after its key was said to be decided", request);
    }
  }
  if (of_.below.db.deadlocks > 0) {
    violated("{} deadlocks", of_.below.db.deadlocks);
  }
}

inline void checker::index() {
  std::map<place_key, int> keys;
  for (const auto& [key, row] : rows_.journal) {
    if (const domain::transaction* t = newest(row)) {
      journal_.push_back(t);
      by_request_.emplace(t->request_id, t);
      if (!t->idempotency_key.empty() && ++keys[detail::key_of(*t)] > 1) {
        violated("user {} has two rows with the key {}", t->user.value, t->idempotency_key);
      }
    }
  }
}

/// Balances, inventories, versions, times: the journal replayed by the rules of `coffer verify`.
inline void checker::check_books() {
  domain::replay::catalogue catalogue;
  for (const domain::product_terms& p : of_.from.products) {
    catalogue.emplace(p.id, p.type);
  }
  const auto report = [this](const domain::book_violation& v) {
    violated("{}: user {}, version {}, product {}: expected {}, found {}", v.rule, v.user.value_or(user_id{}).value,
             v.at.value_or(version{}).value, v.product.value_or(product_id{}).value, v.expected, v.found);
  };
  domain::replay books{catalogue, report, true};
  for (const auto& [id, user] : rows_.users) {
    books.begin(user_id{id}, domain::stored_wallet{user_id{id}, user.newest->balance, user.newest->version});
    for (const domain::transaction* t : journal_) {
      if (t->user.value == id) {
        books.entry({.user = t->user,
                     .at = t->at.value,
                     .kind = t->kind,
                     .status = t->status,
                     .product = t->product,
                     .quantity = t->quantity,
                     .amount = t->amount.value,
                     .balance_after = t->balance_after.value,
                     .item_quantity_after = t->item_quantity_after,
                     .has_reason = t->reason.has_value(),
                     .created_at = t->created_at,
                     .details = t->details});
      }
    }
    for (const auto& [key, line] : rows_.holdings) {
      if (key.first == id && line.newest) {
        books.holding({user_id{id}, product_id{key.second}, line.newest->quantity, line.newest->bought});
      }
    }
    books.end();
  }
}

inline bool is_completed(const domain::transaction& t, domain::transaction_kind kind) {
  return t.kind == kind && t.status == domain::transaction_status::completed;
}

/// What was taken from a stock is counted there once, piece by piece.
inline void checker::check_stocks() {
  for (const auto& [product, stock] : rows_.stocks) {
    if (!stock.newest) {
      continue;
    }
    std::map<std::int64_t, std::int64_t> taken;  // by the number of units sold with them
    std::size_t purchases = 0;
    for (const domain::transaction* t : journal_) {
      if (is_completed(*t, domain::transaction_kind::purchase) && t->product->value == product &&
          t->details.units_sold()) {
        taken[*t->details.units_sold()] = t->quantity;
        ++purchases;
      }
    }
    std::int64_t sold = 0;
    for (const auto& [number, quantity] : taken) {
      sold += quantity;
      if (number != sold) {
        violated("stock of product {}: {} sold by count, {} by the journal", product, number, sold);
      }
    }
    if (taken.size() != purchases || stock.newest->sold != sold) {
      violated("stock of product {}: {} sold, the journal has {}", product, stock.newest->sold, sold);
    }
    if (stock.newest->supply && stock.newest->sold > *stock.newest->supply) {
      violated("product {} is oversold", product);
    }
  }
}

inline void checker::check_sales() {
  std::map<std::int64_t, counter_row> counted, right;
  const auto add = [](counter_row& to, std::int64_t purchases, std::int64_t units, std::int64_t revenue) {
    to.purchases += purchases;
    to.units += units;
    to.revenue += revenue;
  };
  for (const auto& [key, row] : rows_.sales) {
    if (row.newest) {
      add(counted[std::get<1>(key)], row.newest->purchases, row.newest->units, row.newest->revenue);
    }
  }
  for (const domain::transaction* t : journal_) {
    if (is_completed(*t, domain::transaction_kind::purchase)) {
      add(right[t->product->value], 1, t->quantity, t->amount.value);
    }
  }
  for (const domain::product_terms& p : of_.from.products) {
    const counter_row &one = counted[p.id.value], &other = right[p.id.value];
    if (std::tie(one.purchases, one.units, one.revenue) != std::tie(other.purchases, other.units, other.revenue)) {
      violated("product {}: {} sales of {} units counted, the journal has {} of {}", p.id.value, one.purchases,
               one.units, other.purchases, other.units);
    }
  }
}

inline void checker::check_refunds() {
  std::map<pair_key, std::int64_t> right;
  for (const domain::transaction* t : journal_) {
    if (is_completed(*t, domain::transaction_kind::refund)) {
      const std::int64_t deposit = t->amount.value + t->details.missing().value_or(0);
      right[{t->user.value, t->details.refunded().value_or(0)}] += t->product ? t->quantity : deposit;
    }
  }
  for (const auto& [key, row] : rows_.refunds) {
    if (row.newest && right[key] != *row.newest) {
      violated("{} of row {} of user {} are refunded, the journal has {}", *row.newest, key.second, key.first,
               right[key]);
    }
  }
  for (const auto& [key, units] : right) {
    const auto row = rows_.journal.find(key);
    const domain::transaction* of = row == rows_.journal.end() ? nullptr : newest(row->second);
    if (of == nullptr || units > std::max(of->quantity, of->amount.value)) {
      violated("row {} of user {} is refunded {} times", key.second, key.first, units);
    }
  }
}

/// The event log has every version that a lane has written, once, and a reader who takes streams in whatever order, but
/// rows only after those that they name, has each user's in their order.
inline void checker::check_events() {
  struct place {
    pair_key at;  ///< stream, position
    const event_row* in;
    event_row::range range;
  };
  std::map<std::int64_t, std::vector<place>> by_user;
  pair_key last{0, 0};
  for (const auto& [at, row] : rows_.events) {
    const event_row* made = newest(row);
    if (made == nullptr) {
      continue;
    }
    if (at.second != (at.first == last.first ? last.second : 0) + 1) {
      violated("stream {} of the event log has no row before position {}", at.first, at.second);
    }
    last = at;
    for (const event_row::range& r : made->ranges) {
      by_user[r.user].push_back({at, made, r});
    }
  }
  for (const auto& [id, user] : rows_.users) {
    std::vector<place>& places = by_user[id];
    std::ranges::sort(places, {}, [](const place& p) { return p.range.first; });
    // What an operator wrote before the first batch of a user from before the log is not in it.
    std::int64_t before = id % 2 == 0 && !places.empty() ? places.front().range.first - 1 : 1;
    for (std::size_t i = 0; i < places.size(); ++i) {
      const place& p = places[i];
      if (p.range.first != before + 1 || p.range.last < p.range.first) {
        violated("events of user {}: {} to {} behind {}", id, p.range.first, p.range.last, before);
      }
      before = p.range.last;
      if (i == 0) {
        continue;
      }
      const pair_key& older = places[i - 1].at;
      const auto named = p.in->after.find(older.first);
      const bool follows = older.first == p.at.first ? older.second < p.at.second
                                                     : named != p.in->after.end() && named->second >= older.second;
      if (!follows) {
        violated("version {} of user {} may be read before the one before it", p.range.first, id);
      }
    }
    if (user.newest->event_version.value_or(1) != before) {
      violated("user {} has events to version {}, and says {}", id, before, user.newest->event_version.value_or(1));
    }
  }
  for (const domain::transaction* t : journal_) {
    const user_row& user = *rows_.users.at(t->user.value).newest;
    const std::vector<place>& places = by_user[t->user.value];
    const bool is_told =
        !places.empty() && places.front().range.first <= t->at.value && t->at.value <= user.event_version.value_or(1);
    if (!is_told && t->request_id != "first" && !t->request_id.starts_with("operator")) {
      violated("{} has no event", t->request_id);
    }
  }
}

/// A row is what somebody asked for, at a price of the time, and was refused for a reason that holds.
inline void checker::check_row(const domain::transaction& row) {
  if (row.kind == domain::transaction_kind::purchase && row.quantity > 0 &&
      !of_.prices[row.product->value].contains(row.amount.value / row.quantity)) {
    violated("{} was booked at a price that product {} never had", row.request_id, row.product->value);
  }
  const std::int64_t owned = row.details.there().value_or(row.item_quantity_after.value_or(0));
  const std::int64_t balance = row.details.there().value_or(row.balance_after.value);
  const bool unjust = (row.reason == errc::insufficient_funds && row.amount.value <= balance) ||
                      (row.reason == errc::not_enough_items && row.quantity <= owned) ||
                      (row.reason == errc::sold_out && row.quantity <= row.details.units_left().value_or(0));
  if (unjust) {
    violated("{} was refused, {}, without a reason", row.request_id, to_string(*row.reason));
  }
}

inline void checker::check_attempt(const attempt& a) {
  const std::string& request = a.command.request_id;
  if (!a.verdict) {
    violated("{} was never answered", request);
    return;
  }
  const std::size_t rows = by_request_.count(request);
  if (rows > 1) {
    violated("{} has {} rows", request, rows);
  }
  if (a.must_succeed && !*a.verdict) {
    violated("{} was refused when all was calm: {}", request, to_string(a.verdict->error().code));
  }
  if (*a.verdict) {
    check_success(a, **a.verdict);
  } else {
    check_refusal(a, a.verdict->error().code, rows);
  }
}

/// The row of the journal, if it is there as it was told.
inline const domain::transaction* checker::stored(const domain::transaction& told) const {
  const auto at = rows_.journal.find({told.user.value, told.at.value});
  const domain::transaction* row = at == rows_.journal.end() ? nullptr : newest(at->second);
  return row != nullptr && detail::journal_values(*row) == detail::journal_values(told) ? row : nullptr;
}

inline void checker::check_success(const attempt& a, const domain::decision& told) {
  const std::string& request = a.command.request_id;
  const domain::transaction* row = stored(told.row);
  if (row == nullptr) {
    // Without a standby to wait for, a failover may lose what was answered.
    if (of_.from.db.synchronous || !of_.lost.contains(told.row.request_id)) {
      violated("{} was told of version {} of user {}, which is not there, or not like that", request, told.row.at.value,
               told.row.user.value);
    }
    return;
  }
  const domain::command& c = a.command;
  const bool its_own = told.replayed ? row->idempotency_key == c.idempotency_key && row->print == c.print
                                     : row->request_id == request && row->kind == c.kind;
  if (!its_own || row->user != c.user) {
    violated("{} was told of the row of {}", request, row->request_id);
  }
}

inline void checker::check_refusal(const attempt& a, errc code, std::size_t rows) {
  const std::string& request = a.command.request_id;
  if (code != errc::outcome_unknown && rows > 0) {
    violated("{} was answered {}, and has a row", request, to_string(code));
  }
  const auto poisoned = [](const attempt& other) { return other.command.quantity == poisoned_quantity; };
  const bool refused_by_fault = std::ranges::any_of(of_.from.disturbances, [](const disturbance& d) {
    return d.what == disturbance::kind::mishap &&
           (d.wrong.what == mishap::refused || d.wrong.what == mishap::rolls_back);
  });
  const bool poison = std::ranges::any_of(
      of_.attempts, [&](const attempt& other) { return other.group == a.group && poisoned(other); });
  if (code == errc::internal && !poison && !refused_by_fault) {
    violated("{} was answered internal", request);
  }
  if (code == errc::user_not_found && a.command.user.value <= std::ssize(of_.from.balances)) {
    violated("{} did not find its user", request);
  }
  const bool patient = a.patience >= milliseconds{2000};
  if (is_calm() && patient && (code == errc::outcome_unknown || code == errc::unavailable)) {
    violated("{} was answered {}, and nothing was wrong", request, to_string(code));
  }
}

/// Whether the key of `c` stands for a row.
inline bool checker::is_done(const domain::command& c) const {
  const auto key = rows_.keys.find({c.user.value, c.by.is_player(), c.idempotency_key});
  return !c.idempotency_key.empty() && key != rows_.keys.end() && key->second.newest;
}

/// All of a group happens or, but for the row of what was refused, nothing.
inline void checker::check_groups() {
  std::map<std::size_t, std::vector<const attempt*>> groups;
  for (const attempt& a : of_.attempts) {
    groups[a.group].push_back(&a);
  }
  for (const auto& [number, members] : groups) {
    std::ptrdiff_t done = 0, failed = 0, told = 0, gone = 0;
    for (const attempt* a : members) {
      const auto row = by_request_.find(a->command.request_id);
      const bool is_there = row != by_request_.end();
      const bool completed = is_there && row->second->status == domain::transaction_status::completed;
      done += completed ? 1 : 0;
      failed += is_there && !completed ? 1 : 0;
      told += !is_there && is_done(a->command) ? 1 : 0;
      gone += !of_.from.db.synchronous && of_.lost.contains(a->command.request_id) ? 1 : 0;
    }
    if (members.size() > 1 && gone == 0 && ((done > 0 && done + told < std::ssize(members)) || failed > 1)) {
      violated("of the group of {} happened {} of {}", members.front()->command.request_id, done, members.size());
    }
  }
}

/// What was answered before another request was sent has the lower version.
inline void checker::check_real_time() {
  struct moment {
    std::uint64_t at;
    bool is_end;
    const attempt* of;
  };
  std::map<std::int64_t, std::vector<moment>> by_user;
  for (const attempt& a : of_.attempts) {
    if (a.verdict && *a.verdict && stored((*a.verdict)->row) != nullptr) {
      by_user[a.command.user.value].push_back({a.began, false, &a});
      by_user[a.command.user.value].push_back({a.ended, true, &a});
    }
  }
  for (auto& [user, moments] : by_user) {
    std::ranges::sort(moments, {}, &moment::at);
    std::map<const attempt*, version> known;
    version newest{};
    for (const moment& m : moments) {
      const domain::decision& told = **m.of->verdict;
      if (!m.is_end) {
        known[m.of] = newest;
      } else {
        newest = std::max(newest, told.row.at);
        if (!told.replayed && told.row.at <= known[m.of]) {
          violated("{} has version {}, and {} was known before it was sent", m.of->command.request_id,
                   told.row.at.value, known[m.of].value);
        }
      }
    }
  }
}

}  // namespace coffer::simulation
