// What the statements of store/batch_store.hpp do to the model, by their names. A statement that changes there changes
// here; tests/integration/simulation_model_test.cpp holds both against each other.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/store/batch_store.hpp"
#include "database.hpp"
#include "values.hpp"

namespace coffer::simulation {

/// What a statement needs to run.
struct statement_frame {
  database& db;
  tables& rows;
  backend& by;
  arguments with;
};

/// The rows that a statement locks, one after the other, and what it does when it has them.
struct statement_model {
  using locker = std::vector<slot_base*> (*)(const statement_frame&);
  using evaluator = pg::rows (*)(const statement_frame&);
  locker locks;
  evaluator evaluate;
};

namespace detail {

using oid = pg::oid;

[[noreturn]] inline void refuse(pg::sqlstate state, std::string text) { throw refusal{state, std::move(text)}; }

inline void check(bool holds, const char* constraint) {
  if (!holds) {
    refuse(pg::sqlstate::check_violation, constraint);
  }
}

inline pg::rows changed(std::string_view what, std::size_t count) {
  return answer{}.tagged(std::string{what} + std::to_string(count));
}

inline std::vector<slot_base*> no_locks(const statement_frame&) { return {}; }

/// The slots of `ids` that have a row, each once, in order.
template <typename Row, typename Wanted>
std::vector<slot_base*> existing(table<std::int64_t, Row>& in, const backend& by, std::vector<std::int64_t> ids,
                                 Wanted wanted) {
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  std::vector<slot_base*> found;
  for (const std::int64_t id : ids) {
    const auto at = in.find(id);
    if (at != in.end() && at->second.seen_by(&by) != nullptr && wanted(*at->second.seen_by(&by))) {
      found.push_back(&at->second);
    }
  }
  return found;
}

inline bool any_row(const user_row&) { return true; }
inline bool has_supply(const stock_row& s) { return s.supply.has_value(); }

inline std::vector<slot_base*> users_by_id(const statement_frame& f) {
  auto found = existing(f.rows.users, f.by, f.with.integers(1), any_row);
  if (f.db.wrong == mutant::users_not_locked) {
    found.clear();
  }
  if (f.db.wrong == mutant::users_locked_in_any_order && f.by.name.starts_with("process2")) {
    std::ranges::reverse(found);
  }
  return found;
}

inline std::vector<slot_base*> stocks_by_id(const statement_frame& f) {
  auto found = existing(f.rows.stocks, f.by, f.with.integers(1), has_supply);
  if (f.db.wrong == mutant::stocks_not_locked) {
    found.clear();
  }
  return found;
}

inline bool is_mine(const slot_base& row, const statement_frame& f) { return row.owner == &f.by; }

/// The asked ids in order, each once.
inline std::set<std::int64_t> ids(const statement_frame& f) {
  const auto all = f.with.integers(1);
  return {all.begin(), all.end()};
}

inline pg::rows users_now(const statement_frame& f, bool only_mine) {
  answer out{{oid::int8, oid::int8, oid::int8, oid::int8, oid::int2}};
  for (const std::int64_t id : ids(f)) {
    const auto at = f.rows.users.find(id);
    if (at == f.rows.users.end() || (only_mine && !is_mine(at->second, f))) {
      continue;
    }
    if (const user_row* u = at->second.seen_by(&f.by)) {
      out.row({answer::of(id), answer::of(u->balance), answer::of(u->version), answer::of(u->event_version),
               u->event_stream ? answer::small(*u->event_stream) : answer::value{}});
    }
  }
  return std::move(out).done();
}

inline pg::rows stocks_now(const statement_frame& f, bool only_mine) {
  answer out{{oid::int8, oid::int8, oid::int8}};
  for (const std::int64_t id : ids(f)) {
    const auto at = f.rows.stocks.find(id);
    if (at == f.rows.stocks.end() || (only_mine && !is_mine(at->second, f))) {
      continue;
    }
    const stock_row* s = at->second.seen_by(&f.by);
    if (s != nullptr && s->supply) {
      out.row({answer::of(id), answer::of(*s->supply), answer::of(s->sold)});
    }
  }
  return std::move(out).done();
}

inline pg::rows lock_users(const statement_frame& f) { return users_now(f, false); }
inline pg::rows lock_stocks(const statement_frame& f) { return stocks_now(f, false); }

inline pg::rows lock_free_users(const statement_frame& f) {
  for (slot_base* row : users_by_id(f)) {
    database::try_lock(f.by, *row);
  }
  return users_now(f, true);
}

inline pg::rows lock_free_stocks(const statement_frame& f) {
  for (slot_base* row : stocks_by_id(f)) {
    database::try_lock(f.by, *row);
  }
  return stocks_now(f, true);
}

inline pg::rows find_users(const statement_frame& f) {
  answer out{{oid::int8, oid::int8}};
  for (const std::int64_t id : ids(f)) {
    const auto at = f.rows.users.find(id);
    if (const user_row* u = at == f.rows.users.end() ? nullptr : at->second.seen_by(&f.by)) {
      out.row({answer::of(id), answer::of(u->version)});
    }
  }
  return std::move(out).done();
}

inline pg::rows find_stocks(const statement_frame& f) {
  answer out{{oid::int8, oid::int8}};
  for (const std::int64_t id : ids(f)) {
    const auto at = f.rows.stocks.find(id);
    const stock_row* s = at == f.rows.stocks.end() ? nullptr : at->second.seen_by(&f.by);
    if (s != nullptr && s->supply) {
      out.row({answer::of(id), answer::of(*s->supply + s->sold)});
    }
  }
  return std::move(out).done();
}

inline pg::rows read_clock(const statement_frame& f) {
  answer out{{oid::timestamptz}};
  out.row({answer::of(f.db.wall())});
  return std::move(out).done();
}

inline pg::rows load_products(const statement_frame& f) {
  answer out{{oid::timestamptz, oid::int8, oid::int8, oid::int2, oid::boolean, oid::boolean, oid::int8,
              oid::timestamptz, oid::timestamptz}};
  for (const std::int64_t id : f.with.integers(1)) {
    const auto at = f.rows.products.find(id);
    std::vector<answer::value> row(9);
    row[0] = answer::of(f.db.wall());
    if (const auto* p = at == f.rows.products.end() ? nullptr : at->second.seen_by(&f.by)) {
      row = {answer::of(f.db.wall()),       answer::of(id),
             answer::of(p->price.value),    answer::small(static_cast<std::int64_t>(p->type)),
             answer::of(p->is_active),      answer::of(p->is_limited),
             answer::of(p->per_user_limit), answer::of(p->sale_starts_at),
             answer::of(p->sale_ends_at)};
    }
    out.row(row);
  }
  return std::move(out).done();
}

inline pg::rows load_holdings(const statement_frame& f) {
  answer out{{oid::int8, oid::int8, oid::int8, oid::int8, oid::timestamptz}};
  const auto users = f.with.integers(1), products = f.with.integers(2);
  for (std::size_t i = 0; i < users.size(); ++i) {
    const auto at = f.rows.holdings.find({users[i], products[i]});
    if (const auto* h = at == f.rows.holdings.end() ? nullptr : at->second.seen_by(&f.by)) {
      out.row({answer::of(users[i]), answer::of(products[i]), answer::of(h->quantity), answer::of(h->bought),
               answer::of(h->purchased_at)});
    }
  }
  return std::move(out).done();
}

inline pg::rows load_refunds(const statement_frame& f) {
  answer out{{oid::int8, oid::int8, oid::timestamptz, oid::int8}};
  const auto users = f.with.integers(1), versions = f.with.integers(2);
  for (std::size_t i = 0; i < users.size(); ++i) {
    const auto row = f.rows.journal.find({users[i], versions[i]});
    const auto* booked = row == f.rows.journal.end() ? nullptr : row->second.seen_by(&f.by);
    const auto lost = f.db.lost_rows.find({users[i], versions[i]});
    const bool imagined = f.db.wrong == mutant::refunds_not_looked_up && lost != f.db.lost_rows.end();
    if (booked == nullptr && !imagined) {
      continue;
    }
    const auto at = f.rows.refunds.find({users[i], versions[i]});
    const auto* units = at == f.rows.refunds.end() ? nullptr : at->second.seen_by(&f.by);
    out.row({answer::of(users[i]), answer::of(versions[i]), answer::of(imagined ? lost->second : booked->created_at),
             units == nullptr ? answer::value{} : answer::of(*units)});
  }
  return std::move(out).done();
}

inline std::string print_bytes(const domain::fingerprint& print) {
  return {reinterpret_cast<const char*>(print.data()), print.size()};
}

inline std::vector<answer::value> journal_values(const domain::transaction& t) {
  const auto product = t.product ? std::optional{t.product->value} : std::nullopt;
  return {answer::of(t.user.value),
          answer::of(t.at.value),
          answer::small(static_cast<std::int64_t>(t.kind)),
          answer::small(static_cast<std::int64_t>(t.status)),
          answer::of(product),
          answer::of(t.quantity),
          answer::of(t.amount.value),
          answer::of(t.balance_after.value),
          answer::of(t.item_quantity_after),
          answer::text_if_any(domain::reason_of(t)),
          answer::text_if_any(t.idempotency_key),
          t.print ? answer::value{print_bytes(*t.print)} : answer::value{},
          answer::of(std::string_view{t.request_id}),
          answer::of(t.created_at),
          answer::of(t.details.first_column()),
          answer::of(t.details.second_column()),
          answer::text_if_any(t.note),
          answer::of(t.by.stored()),
          answer::of(t.note_public)};
}

inline pg::rows load_keyed(const statement_frame& f) {
  answer out{{oid::int8, oid::int8, oid::int2, oid::int2, oid::int8, oid::int8, oid::int8, oid::int8, oid::int8,
              oid::text, oid::text, oid::bytea, oid::text, oid::timestamptz, oid::int8, oid::int8, oid::text, oid::int8,
              oid::boolean}};
  const auto users = f.with.integers(1), by_player = f.with.integers(3);
  const auto texts = f.with.elements(2);
  for (std::size_t i = 0; i < users.size() && f.db.wrong != mutant::keys_not_looked_up; ++i) {
    const auto at = f.rows.keys.find({users[i], by_player[i] == 1, std::string{*texts[i]}});
    if (const auto* version = at == f.rows.keys.end() ? nullptr : at->second.seen_by(&f.by)) {
      out.row(journal_values(*f.rows.journal.at({users[i], *version}).seen_by(&f.by)));
    }
  }
  return std::move(out).done();
}

inline pg::rows find_row(const statement_frame& f) {
  answer out{{oid::text, oid::timestamptz}};
  const auto at = f.rows.journal.find({f.with.int64(1), f.with.int64(2)});
  const auto* row = at == f.rows.journal.end() ? nullptr : at->second.seen_by(&f.by);
  meet(row != nullptr ? "a lost commit that is there" : "a lost commit that is not there");
  if (row != nullptr && f.db.wrong != mutant::commit_never_found) {
    out.row({answer::of(std::string_view{row->request_id}), answer::of(row->created_at)});
  }
  return std::move(out).done();
}

// An update finds its rows in the order of its arguments, which are sorted.
inline std::vector<slot_base*> updated_users(const statement_frame& f) {
  return existing(f.rows.users, f.by, f.with.integers(1), any_row);
}

inline pg::rows update_wallets(const statement_frame& f) {
  const auto users = f.with.integers(1), balances = f.with.integers(2), versions = f.with.integers(3);
  std::size_t count = 0;
  for (std::size_t i = 0; i < users.size(); ++i) {
    const auto at = f.rows.users.find(users[i]);
    if (at == f.rows.users.end()) {
      continue;
    }
    check(balances[i] >= 0, "users_balance_check");
    const std::int64_t kept = at->second.seen_by(&f.by)->version;
    at->second.written =
        user_row{balances[i], f.db.wrong == mutant::version_kept ? kept : versions[i], versions[i], f.with.int64(4)};
    ++count;
  }
  return changed("UPDATE ", count);
}

inline std::vector<slot_base*> changed_holdings(const statement_frame& f) {
  std::vector<slot_base*> found;
  const auto users = f.with.integers(1), products = f.with.integers(2);
  for (std::size_t i = 0; i < users.size(); ++i) {
    found.push_back(&f.rows.holdings[{users[i], products[i]}]);
  }
  return found;
}

inline pg::rows write_holdings(const statement_frame& f, bool replacing) {
  const auto users = f.with.integers(1), products = f.with.integers(2), quantities = f.with.integers(3),
             times = f.with.integers(4), bought = f.with.integers(5);
  for (std::size_t i = 0; i < users.size(); ++i) {
    slot<holding_row>& row = f.rows.holdings[{users[i], products[i]}];
    const bool is_there = row.seen_by(&f.by) != nullptr;
    if (!is_there && f.db.wrong == mutant::holdings_only_updated) {
      continue;
    }
    check(quantities[i] >= 0, "inventory_quantity_check");
    if (is_there && !replacing) {
      refuse(pg::sqlstate::unique_violation, "inventory_pkey");
    }
    row.written = holding_row{quantities[i], bought[i], pg::wire::to_timestamp(times[i])};
  }
  return changed("INSERT 0 ", users.size());
}

inline pg::rows update_holdings(const statement_frame& f) { return write_holdings(f, true); }
inline pg::rows insert_holdings(const statement_frame& f) { return write_holdings(f, false); }

inline std::vector<slot_base*> updated_stocks(const statement_frame& f) {
  return existing(f.rows.stocks, f.by, f.with.integers(1), [](const stock_row&) { return true; });
}

inline pg::rows update_stocks(const statement_frame& f) {
  const auto products = f.with.integers(1), supplies = f.with.integers(2), sold = f.with.integers(3);
  std::size_t count = 0;
  for (std::size_t i = 0; i < products.size(); ++i) {
    const auto at = f.rows.stocks.find(products[i]);
    if (at != f.rows.stocks.end()) {
      check(sold[i] >= 0, "product_stock_sold_check");
      check(sold[i] <= supplies[i], "product_stock_supply_check");
      at->second.written = stock_row{supplies[i], sold[i]};
      ++count;
    }
  }
  return changed("UPDATE ", count);
}

/// The rows that insert_journal was given.
inline std::vector<domain::transaction> new_rows(const statement_frame& f) {
  const arguments& a = f.with;
  std::vector<domain::transaction> out;
  const auto column = [&a](std::size_t n) { return n <= a.count() ? a.integers(n) : std::vector<std::int64_t>{}; };
  const auto maybe = [&a](std::size_t n) { return n <= a.count() ? a.elements(n) : decltype(a.elements(n)){}; };
  const auto users = column(1), versions = column(2), kinds = column(3), statuses = column(4), quantities = column(6),
             amounts = column(7), balances = column(8), notes_public = column(19);
  const auto products = maybe(5), owned = maybe(9), reasons = maybe(10), keys = maybe(11), prints = maybe(12),
             requests = maybe(13), actors = maybe(15), firsts = maybe(16), seconds = maybe(17), notes = maybe(18);
  const auto number = [](const auto& from, std::size_t i) {
    return i < from.size() ? arguments::integer_if_any(from[i]) : std::nullopt;
  };
  for (std::size_t i = 0; i < users.size(); ++i) {
    domain::transaction& t = out.emplace_back();
    t.user = user_id{users[i]};
    t.at = version{versions[i]};
    t.kind = static_cast<domain::transaction_kind>(kinds[i]);
    t.status = static_cast<domain::transaction_status>(statuses[i]);
    if (const auto product = number(products, i)) {
      t.product = product_id{*product};
    }
    t.quantity = quantities[i];
    t.amount = domain::credits{amounts[i]};
    t.balance_after = domain::credits{balances[i]};
    t.item_quantity_after = number(owned, i);
    t.reason = reasons[i] ? errc_from_string(*reasons[i]) : std::nullopt;
    t.idempotency_key = keys[i].value_or("");
    if (prints[i]) {
      prints[i]->copy(reinterpret_cast<char*>(t.print.emplace().data()), t.print->size());
    }
    t.request_id = *requests[i];
    t.created_at = a.time(14);
    t.by = domain::actor::from_stored(number(actors, i));
    t.details = domain::row_details::from_columns(number(firsts, i), number(seconds, i));
    t.note = i < notes.size() ? notes[i].value_or("") : "";
    t.note_public = i < notes_public.size() && notes_public[i] != 0;
  }
  return out;
}

inline place_key key_of(const domain::transaction& t) { return {t.user.value, t.by.is_player(), t.idempotency_key}; }

inline std::vector<slot_base*> inserted_rows(const statement_frame& f) {
  std::vector<slot_base*> found;
  for (const domain::transaction& t : new_rows(f)) {
    found.push_back(&f.rows.journal[{t.user.value, t.at.value}]);
    if (!t.idempotency_key.empty()) {
      found.push_back(&f.rows.keys[key_of(t)]);
    }
  }
  return found;
}

inline pg::rows insert_journal(const statement_frame& f) {
  const auto rows = new_rows(f);
  for (const domain::transaction& t : rows) {
    const std::int64_t least = std::min({t.quantity, t.amount.value, t.balance_after.value});
    check(std::min(least, t.item_quantity_after.value_or(0)) >= 0, "transactions_numbers_check");
    check(t.quantity != poisoned_quantity, "poison");
    if (f.db.wrong == mutant::journal_left_out) {
      continue;
    }
    auto& row = f.rows.journal[{t.user.value, t.at.value}];
    if (row.seen_by(&f.by) != nullptr) {
      refuse(pg::sqlstate::unique_violation, "transactions_pkey");
    }
    row.written = t;
    if (!t.idempotency_key.empty()) {
      auto& key = f.rows.keys[key_of(t)];
      if (key.seen_by(&f.by) != nullptr) {
        refuse(pg::sqlstate::unique_violation, "transactions_key_bytes");
      }
      key.written = t.at.value;
    }
  }
  return changed("INSERT 0 ", rows.size());
}

inline std::vector<slot_base*> refunded_rows(const statement_frame& f) {
  std::vector<slot_base*> found;
  const auto users = f.with.integers(1), versions = f.with.integers(2);
  for (std::size_t i = 0; i < users.size(); ++i) {
    found.push_back(&f.rows.refunds[{users[i], versions[i]}]);
  }
  return found;
}

inline pg::rows count_refunds(const statement_frame& f) {
  const auto users = f.with.integers(1), versions = f.with.integers(2), units = f.with.integers(3);
  for (std::size_t i = 0; i < users.size(); ++i) {
    check(units[i] >= 1, "refunds_units_check");
    f.rows.refunds[{users[i], versions[i]}].written = units[i];
  }
  return changed("INSERT 0 ", users.size());
}

/// The counters of count_sales (one hour for all), or of count_refunded_sales (an hour for each).
inline std::vector<counter_key> counters(const statement_frame& f, bool refunded) {
  const auto products = f.with.integers(3);
  const auto hours = refunded ? f.with.integers(2) : std::vector<std::int64_t>(products.size(), f.with.int64(1));
  const std::int64_t lane = f.with.int64(refunded ? 1 : 2);
  std::vector<counter_key> keys;
  for (std::size_t i = 0; i < products.size(); ++i) {
    keys.emplace_back(pg::wire::to_timestamp(hours[i]), products[i], lane);
  }
  return keys;
}

template <bool Refunded>
std::vector<slot_base*> counted_rows(const statement_frame& f) {
  std::vector<slot_base*> found;
  for (const counter_key& key : counters(f, Refunded)) {
    found.push_back(&(Refunded ? f.rows.refunded_sales : f.rows.sales)[key]);
  }
  return found;
}

template <bool Refunded>
pg::rows count(const statement_frame& f) {
  const auto purchases = f.with.integers(4), units = f.with.integers(5), revenue = f.with.integers(6);
  const auto keys = counters(f, Refunded);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto& row = (Refunded ? f.rows.refunded_sales : f.rows.sales)[keys[i]];
    const counter_row* before = row.seen_by(&f.by);
    const counter_row old = before == nullptr ? counter_row{} : *before;
    row.written = counter_row{old.purchases + purchases[i], old.units + units[i], old.revenue + revenue[i]};
  }
  return changed("INSERT 0 ", keys.size());
}

/// The newest position of a stream that `by` sees.
inline std::int64_t last_position(const statement_frame& f, std::int64_t stream) {
  std::int64_t last = 0;
  for (auto at = f.rows.events.lower_bound({stream, 0}); at != f.rows.events.end() && at->first.first == stream; ++at) {
    last = at->second.seen_by(&f.by) != nullptr ? at->first.second : last;
  }
  return last;
}

// The position is looked for once, before the wait for whoever is writing it.
inline std::vector<slot_base*> next_event(const statement_frame& f) {
  const std::int64_t stream = f.with.int64(1);
  return {&f.rows.events[{stream, last_position(f, stream) + 1}]};
}

inline pg::rows insert_events(const statement_frame& f) {
  if (f.db.wrong == mutant::events_left_out) {
    return changed("INSERT 0 ", 1);
  }
  auto* place = f.by.held.empty() ? nullptr : dynamic_cast<slot<event_row>*>(f.by.held.back());
  if (place == nullptr || place->seen_by(&f.by) != nullptr) {
    refuse(pg::sqlstate::unique_violation, "event_log_pkey");
  }
  event_row made;
  const auto users = f.with.integers(4), firsts = f.with.integers(5), counts = f.with.integers(6);
  for (std::size_t i = 0; i < users.size(); ++i) {
    made.ranges.push_back({users[i], firsts[i], firsts[i] + counts[i] - 1});
  }
  if (f.with.count() > 6 && f.db.wrong != mutant::events_in_any_order) {
    for (const std::int64_t stream : f.with.integers(7)) {
      made.after[stream] = last_position(f, stream);
      meet("a batch behind another stream");
    }
  }
  place->written = std::move(made);
  return changed("INSERT 0 ", 1);
}

inline pg::rows one_text(std::string_view text) {
  answer out{{oid::text}};
  out.row({answer::of(text)});
  return std::move(out).done();
}

inline pg::rows set_lock_timeout(const statement_frame& f) {
  const std::int64_t wanted = std::stoll(std::string{f.with.text(1)});
  f.by.lock_timeout = std::chrono::milliseconds{wanted};
  return one_text(wanted % 1000 == 0 ? fmt::format("{}s", wanted / 1000) : fmt::format("{}ms", wanted));
}

inline pg::rows commit_for_standbys(const statement_frame& f) {
  f.by.ignores_standby = f.db.wrong == mutant::replays_not_committed;
  return one_text(f.db.options.synchronous ? "on" : "off");
}

}  // namespace detail

/// All statements but those that begin and end a transaction.
inline const std::map<std::string_view, statement_model>& all_statements() {
  using namespace detail;
  static const std::map<std::string_view, statement_model> all = {
      {"batch_lock_users", {users_by_id, lock_users}},
      {"batch_lock_stocks", {stocks_by_id, lock_stocks}},
      {"batch_lock_free_users", {no_locks, lock_free_users}},
      {"batch_lock_free_stocks", {no_locks, lock_free_stocks}},
      {"batch_find_users", {no_locks, find_users}},
      {"batch_find_stocks", {no_locks, find_stocks}},
      {"batch_clock", {no_locks, read_clock}},
      {"batch_load_products", {no_locks, load_products}},
      {"batch_load_holdings", {no_locks, load_holdings}},
      {"batch_load_refunds", {no_locks, load_refunds}},
      {"batch_load_keyed", {no_locks, load_keyed}},
      {"batch_find_row", {no_locks, find_row}},
      {"batch_set_lock_timeout", {no_locks, set_lock_timeout}},
      {"batch_commit_for_standbys", {no_locks, commit_for_standbys}},
      {"batch_insert_journal", {inserted_rows, insert_journal}},
      {"batch_insert_attributed_journal", {inserted_rows, insert_journal}},
      {"batch_insert_detailed_journal", {inserted_rows, insert_journal}},
      {"batch_insert_noted_journal", {inserted_rows, insert_journal}},
      {"batch_update_holdings", {changed_holdings, update_holdings}},
      {"batch_insert_holdings", {changed_holdings, insert_holdings}},
      {"batch_update_wallets", {updated_users, update_wallets}},
      {"batch_update_stocks", {updated_stocks, update_stocks}},
      {"batch_count_refunds", {refunded_rows, count_refunds}},
      {"batch_count_sales", {counted_rows<false>, count<false>}},
      {"batch_count_refunded_sales", {counted_rows<true>, count<true>}},
      {"events_insert", {next_event, insert_events}},
      {"events_insert_after", {next_event, insert_events}},
  };
  return all;
}

inline const statement_model& model_of(std::string_view name) {
  const auto at = all_statements().find(name);
  if (at == all_statements().end()) {
    assertion_failed("the model does not know a statement");
  }
  return at->second;
}

inline net::task<pg::rows> database::answer_one(backend& b, const pg::pipeline::entry& what) {
  const std::string_view name = what.what->name;
  if (name == "batch_begin") {
    if (wrong != mutant::begin_left_out) {
      b.state = pg::transaction_state::in_transaction;
    }
    co_return answer{}.tagged("BEGIN");
  }
  if (name == "batch_commit" || name == "commit") {
    const std::string tag = co_await commit(b);
    co_return answer{}.tagged(tag);
  }
  if (name == "rollback") {
    roll_back(b);
    co_return answer{}.tagged("ROLLBACK");
  }
  meet(name);
  const statement_model& does = model_of(name);
  const statement_frame frame{*this, rows, b, arguments{what.with}};
  const std::vector<slot_base*> needed = does.locks(frame);
  for (slot_base* row : needed) {
    if (!b.locks_nothing) {
      co_await lock(b, *row);
    }
  }
  co_return does.evaluate(frame);
}

/// For mutants that read before they lock: what the reads of the pipeline give now.
inline std::map<std::size_t, pg::rows> database::answer_early(backend& b, const pg::pipeline& statements) {
  std::map<std::size_t, pg::rows> known;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const pg::pipeline::entry& e = statements.entries()[i];
    const std::string_view name = e.what->name;
    if ((wrong == mutant::reads_before_locks && name.starts_with("batch_load_")) ||
        (wrong == mutant::time_before_locks && (name == "batch_clock" || name == "batch_load_products"))) {
      known.emplace(i, model_of(name).evaluate(statement_frame{*this, rows, b, arguments{e.with}}));
    }
  }
  return known;
}

}  // namespace coffer::simulation
