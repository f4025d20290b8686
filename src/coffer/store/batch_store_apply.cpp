// The part of batch_store that writes what was decided.
#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>

#include "coffer/store/batch_store.hpp"

namespace coffer::store {

namespace {

// Here and below the arrays are unnested in a select list: rows that a query joins with from `from unnest(...)` are
// first stored, array by array, which costs a batch of 32 a tenth of its time. (Set-returning functions in a select
// list advance together: PostgreSQL manual, 38.5.9.)
constexpr pg::statement update_wallets{"batch_update_wallets",
                                       "update users u set balance = new.balance, version = new.version"
                                       " from (select unnest($1) as id, unnest($2) as balance, unnest($3) as version)"
                                       " as new"
                                       " where u.id = new.id and u.id = any($1)"};

// Whether a holding has a row was read under the lock on its user, so it is either updated or inserted: an upsert would
// lock and log the row once more.
constexpr pg::statement update_holdings{
    "batch_update_holdings",
    "update inventory i set quantity = new.quantity,"
    " purchased_at = new.purchased_at, bought = new.bought"
    " from (select unnest($1) as user_id, unnest($2) as product_id, unnest($3) as quantity,"
    " unnest($4) as purchased_at, unnest($5) as bought) as new"
    " where i.user_id = new.user_id and i.product_id = new.product_id"
    " and i.user_id = any($1)"};

constexpr pg::statement insert_holdings{"batch_insert_holdings",
                                        "insert into inventory (user_id, product_id, quantity, purchased_at,"
                                        " bought)"
                                        " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5)"};

constexpr pg::statement update_stocks{"batch_update_stocks",
                                      "update product_stock s set supply = new.supply, sold = new.sold"
                                      " from (select unnest($1) as product_id, unnest($2) as supply,"
                                      " unnest($3) as sold) as new"
                                      " where s.product_id = new.product_id and s.product_id = any($1)"};

constexpr pg::statement insert_journal{
    "batch_insert_journal",
    "insert into transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after,"
    " item_quantity_after, reason, idempotency_key, fingerprint, request_id, created_at)"
    " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8),"
    " unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), $14"};

// For batches of a server that asks for credentials: elsewhere nobody is known, and a column more costs every batch.
constexpr pg::statement insert_attributed_journal{
    "batch_insert_attributed_journal",
    "insert into transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after,"
    " item_quantity_after, reason, idempotency_key, fingerprint, request_id, created_at, actor)"
    " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8),"
    " unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), $14, unnest($15)"};

// Only for batches that have such a row: most have none.
constexpr pg::statement insert_detailed_journal{
    "batch_insert_detailed_journal",
    "insert into transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after,"
    " item_quantity_after, reason, idempotency_key, fingerprint, request_id, created_at, actor, detail_1,"
    " detail_2)"
    " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8),"
    " unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), $14, unnest($15), unnest($16), unnest($17)"};

// For batches with grants or refunds.
constexpr pg::statement insert_noted_journal{
    "batch_insert_noted_journal",
    "insert into transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after,"
    " item_quantity_after, reason, idempotency_key, fingerprint, request_id, created_at, actor, detail_1,"
    " detail_2, note, note_public)"
    " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8),"
    " unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), $14, unnest($15), unnest($16), unnest($17),"
    " unnest($18), unnest($19) <> 0"};

constexpr pg::statement count_refunds{"batch_count_refunds",
                                      "insert into refunds (user_id, version, units)"
                                      " select unnest($1), unnest($2), unnest($3)"
                                      " on conflict (user_id, version) do update set units = excluded.units"};

// The revenue of dear products may exceed 64 bits: it ends there, because no statistic refuses a sale. Purchases and
// units cannot.
constexpr pg::statement count_sales{
    "batch_count_sales",
    "insert into sales_counters as c (hour, product_id, lane, purchases, units, revenue)"
    " select $1, unnest($3), $2, unnest($4), unnest($5), unnest($6)"
    " on conflict (hour, product_id, lane) do update set purchases = c.purchases + excluded.purchases,"
    " units = c.units + excluded.units, revenue = case when c.revenue > 9223372036854775807 - excluded.revenue"
    " then 9223372036854775807 else c.revenue + excluded.revenue end"};

constexpr pg::statement count_refunded_sales{
    "batch_count_refunded_sales",
    "insert into refunded_sales as c (hour, product_id, lane, purchases, units, revenue)"
    " select unnest($2), unnest($3), $1, unnest($4), unnest($5), unnest($6)"
    " on conflict (hour, product_id, lane) do update set purchases = c.purchases + excluded.purchases,"
    " units = c.units + excluded.units, revenue = case when c.revenue > 9223372036854775807 - excluded.revenue"
    " then 9223372036854775807 else c.revenue + excluded.revenue end"};

// A batch that wrote nothing commits for the sake of standbys; without any, its commit need not be on the disk either.
constexpr pg::statement commit_for_standbys{
    "batch_commit_for_standbys",
    "select set_config('synchronous_commit', case current_setting('synchronous_standby_names') when '' then 'off'"
    " else current_setting('synchronous_commit') end, true)"};

constexpr pg::statement commit_batch{"batch_commit", "commit"};

using int64s = std::span<const std::int64_t>;

pg::params wallet_params(const domain::batch_state& state) {
  std::vector<std::int64_t> users, balances, versions;
  for (const domain::wallet& w : state.wallets) {
    if (w.changed) {
      users.push_back(w.user.value);
      balances.push_back(w.balance.value);
      versions.push_back(w.at.value);
    }
  }
  pg::params p;
  p.add(int64s{users}).add(int64s{balances}).add(int64s{versions});
  return p;
}

/// The changed holdings that have a row already, or those that have none. Nothing to write gives nullopt.
std::optional<pg::params> holding_params(const domain::batch_state& state, bool stored) {
  std::vector<std::int64_t> users, products, quantities, bought;
  std::vector<timestamp> times;
  for (const domain::holding& h : state.holdings) {
    if (h.changed && h.stored == stored) {
      users.push_back(h.user.value);
      products.push_back(h.product.value);
      quantities.push_back(h.quantity);
      bought.push_back(h.bought);
      times.push_back(h.purchased_at);
    }
  }
  if (users.empty()) {
    return std::nullopt;
  }
  pg::params p;
  p.add(int64s{users}).add(int64s{products}).add(int64s{quantities}).add(std::span<const timestamp>{times});
  p.add(int64s{bought});
  return p;
}

/// The stocks that were sold from or given back to. Nothing to write gives nullopt.
std::optional<pg::params> stock_params(const domain::batch_state& state) {
  std::vector<std::int64_t> products, supplies, sold;
  for (const domain::product_stock& s : state.stocks) {
    if (s.changed) {
      products.push_back(s.product.value);
      supplies.push_back(s.supply);
      sold.push_back(s.sold);
    }
  }
  if (products.empty()) {
    return std::nullopt;
  }
  return pg::params::of(int64s{products}, int64s{supplies}, int64s{sold});
}

/// The purchases of which more was refunded. Nothing to write gives nullopt.
std::optional<pg::params> refund_params(const domain::batch_state& state) {
  std::vector<std::int64_t> users, versions, units;
  for (const domain::refund_count& r : state.refunds) {
    if (r.changed) {
      users.push_back(r.user.value);
      versions.push_back(r.purchase.value);
      units.push_back(r.units);
    }
  }
  if (users.empty()) {
    return std::nullopt;
  }
  return pg::params::of(int64s{users}, int64s{versions}, int64s{units});
}

/// The new journal rows of a batch, column by column, sorted by user and version.
struct journal_columns {
  using optional_int64 = std::optional<std::int64_t>;
  using optional_text = std::optional<std::string_view>;

  explicit journal_columns(std::size_t rows) {
    for (auto* column : {&users, &versions, &quantities, &amounts, &balances}) {
      column->reserve(rows);
    }
    for (auto* column : {&kinds, &statuses, &public_notes}) {
      column->reserve(rows);
    }
    for (auto* column : {&products, &item_quantities, &actors, &first_details, &second_details}) {
      column->reserve(rows);
    }
    for (auto* column : {&reasons, &keys, &prints, &notes}) {
      column->reserve(rows);
    }
    request_ids.reserve(rows);
  }

  void append(const domain::transaction& t) {
    users.push_back(t.user.value);
    versions.push_back(t.at.value);
    kinds.push_back(static_cast<std::int16_t>(t.kind));
    statuses.push_back(static_cast<std::int16_t>(t.status));
    products.push_back(t.product ? optional_int64{t.product->value} : std::nullopt);
    quantities.push_back(t.quantity);
    amounts.push_back(t.amount.value);
    balances.push_back(t.balance_after.value);
    item_quantities.push_back(t.item_quantity_after);
    reasons.push_back(t.reason ? optional_text{to_string(*t.reason)} : std::nullopt);
    keys.push_back(t.idempotency_key.empty() ? std::nullopt : optional_text{t.idempotency_key});
    prints.push_back(
        t.print ? optional_text{std::string_view{reinterpret_cast<const char*>(t.print->data()), t.print->size()}}
                : std::nullopt);
    request_ids.emplace_back(t.request_id);
    actors.push_back(t.by.stored());
    first_details.push_back(t.detail_1);
    second_details.push_back(t.detail_2);
    notes.push_back(t.note.empty() ? std::nullopt : optional_text{t.note});
    public_notes.push_back(t.note_public ? 1 : 0);
    noted = noted || !t.note.empty();
    attributed = attributed || t.by.is_known();
    detailed = detailed || noted || t.detail_1 || t.detail_2;
  }

  pg::params to_params(timestamp time) const {
    pg::params p;
    p.add(int64s{users}).add(int64s{versions});
    p.add(std::span<const std::int16_t>{kinds}).add(std::span<const std::int16_t>{statuses});
    p.add(std::span<const optional_int64>{products});
    p.add(int64s{quantities}).add(int64s{amounts}).add(int64s{balances});
    p.add(std::span<const optional_int64>{item_quantities});
    p.add(std::span<const optional_text>{reasons}).add(std::span<const optional_text>{keys});
    p.add_bytea_array(prints).add(std::span<const std::string_view>{request_ids});
    p.add(time);
    if (attributed || detailed) {
      p.add(std::span<const optional_int64>{actors});
    }
    if (detailed) {
      p.add(std::span<const optional_int64>{first_details}).add(std::span<const optional_int64>{second_details});
    }
    if (noted) {
      p.add(std::span<const optional_text>{notes}).add(std::span<const std::int16_t>{public_notes});
    }
    return p;
  }

  std::vector<std::int64_t> users, versions, quantities, amounts, balances;
  std::vector<std::int16_t> kinds, statuses, public_notes;
  std::vector<optional_int64> products, item_quantities, actors, first_details, second_details;
  std::vector<optional_text> reasons, keys, prints, notes;
  std::vector<std::string_view> request_ids;
  bool attributed = false;  ///< of a row it is known who asked
  bool detailed = false;    ///< a row has a detail or a note
  bool noted = false;       ///< a row has a note
};

void add_journal(pg::pipeline& p, const domain::batch_state& state, const domain::batch_effects& effects) {
  std::vector<const domain::transaction*> rows;
  rows.reserve(effects.new_rows.size());
  for (const std::size_t i : effects.new_rows) {
    rows.push_back(&effects.verdicts[i]->row);
  }
  std::sort(rows.begin(), rows.end(), [](const domain::transaction* a, const domain::transaction* b) {
    return std::tuple{a->user, a->at} < std::tuple{b->user, b->at};
  });
  journal_columns columns{rows.size()};
  for (const domain::transaction* row : rows) {
    columns.append(*row);
  }
  const pg::statement& insert = columns.noted        ? insert_noted_journal
                                : columns.detailed   ? insert_detailed_journal
                                : columns.attributed ? insert_attributed_journal
                                                     : insert_journal;
  p.add(insert, columns.to_params(state.time));
}

pg::params sales_params(const domain::batch_state& state, const domain::batch_effects& effects, std::int16_t lane_key) {
  std::vector<std::int64_t> products, purchases, units, revenue;
  for (const domain::sale& s : effects.sales) {
    products.push_back(s.product.value);
    purchases.push_back(s.purchases);
    units.push_back(s.units);
    revenue.push_back(s.revenue);
  }
  pg::params p;
  p.add(timestamp{std::chrono::floor<std::chrono::hours>(state.time)}).add(lane_key);
  p.add(int64s{products}).add(int64s{purchases}).add(int64s{units}).add(int64s{revenue});
  return p;
}

pg::params refunded_sales_params(const domain::batch_effects& effects, std::int16_t lane_key) {
  std::vector<timestamp> hours;
  std::vector<std::int64_t> products, purchases, units, revenue;
  for (const domain::refunded_sale& s : effects.refunded_sales) {
    hours.emplace_back(s.hour);
    products.push_back(s.product.value);
    purchases.push_back(s.purchases);
    units.push_back(s.units);
    revenue.push_back(s.revenue);
  }
  pg::params p;
  p.add(lane_key).add(std::span<const timestamp>{hours}).add(int64s{products});
  p.add(int64s{purchases}).add(int64s{units}).add(int64s{revenue});
  return p;
}

void add_changes(pg::pipeline& p, const domain::batch_state& state, const domain::batch_effects& effects,
                 std::int16_t lane_key) {
  // The rows that refer to users come before the users' update: their foreign-key checks find the lock that is already
  // held, where on the new version of a row each would take, and log, one more.
  add_journal(p, state, effects);
  if (auto holdings = holding_params(state, true)) {
    p.add(update_holdings, *std::move(holdings));
  }
  if (auto holdings = holding_params(state, false)) {
    p.add(insert_holdings, *std::move(holdings));
  }
  p.add(update_wallets, wallet_params(state));
  if (auto stocks = stock_params(state)) {
    p.add(update_stocks, *std::move(stocks));
  }
  if (auto refunds = refund_params(state)) {
    p.add(count_refunds, *std::move(refunds));
  }
  if (!effects.sales.empty()) {
    p.add(count_sales, sales_params(state, effects, lane_key));
  }
  if (!effects.refunded_sales.empty()) {
    p.add(count_refunded_sales, refunded_sales_params(effects, lane_key));
  }
}

}  // namespace

pg::pipeline apply_batch(const domain::batch_state& state, const domain::batch_effects& effects,
                         std::int16_t lane_key) {
  pg::pipeline p;
  if (effects.new_rows.empty()) {
    p.add(commit_for_standbys, pg::params{});
  } else {
    add_changes(p, state, effects, lane_key);
  }
  p.add(commit_batch, pg::params{});
  return p;
}

}  // namespace coffer::store
