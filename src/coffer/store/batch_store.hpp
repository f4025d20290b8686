// The SQL of the write path: load what a batch needs under its users' locks, then write what was decided, in the lock
// order of docs/ARCHITECTURE.md. Knows no rule.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "coffer/domain/batch_state.hpp"
#include "coffer/domain/held_rows.hpp"
#include "coffer/pg/options.hpp"
#include "coffer/pg/pipeline.hpp"
#include "coffer/pg/rows.hpp"
#include "coffer/store/event_log_store.hpp"
#include "coffer/store/sales_store.hpp"
#include "coffer/store/transaction_row.hpp"

namespace coffer::store {

using command_list = std::span<const domain::command* const>;

/// Where a lane's rows go that other lanes have rows of too.
struct batch_places {
  std::int16_t lane_key;  ///< of the sales counters
  std::int16_t stream;    ///< of the event log
};

/// What a load does about rows that somebody else holds.
enum class locking : std::uint8_t {
  wait,          ///< for as long as the session waits for a lock
  wait_briefly,  ///< for 100 ms at most
  skip,          ///< not at all: read_batch() tells which are missing
};

namespace detail {

inline constexpr pg::statement begin_batch{"batch_begin", "begin"};

#define COFFER_WALLETS "select id, balance, version, event_version, event_stream from users"

// NO KEY UPDATE is the lock that the update of the wallets takes.
inline constexpr pg::statement lock_users{"batch_lock_users",
                                          COFFER_WALLETS " where id = any($1) order by id for no key update"};

inline constexpr pg::statement read_clock{"batch_clock", "select clock_timestamp()"};

// Here and below arrays are unnested in a select list: rows that a query joins with from `from unnest(...)` are first
// stored, array by array, which costs a batch of 32 a tenth of its time. (Set-returning functions in a select list
// advance together: PostgreSQL manual, 38.5.9.)
//
// `offset 0` keeps each look-up a query of its own, which finds its row by its key. Joined, a table that was small when
// the plan was made would be read whole for every batch until it is analyzed again.
inline constexpr pg::statement load_holdings{
    "batch_load_holdings",
    "select i.user_id, i.product_id, i.quantity, i.bought, i.purchased_at"
    " from (select unnest($1) as user_id, unnest($2) as product_id) as wanted cross join lateral"
    " (select * from inventory where user_id = wanted.user_id and product_id = wanted.product_id offset 0) as i"};

inline constexpr pg::statement load_keyed{
    "batch_load_keyed",
    "select" COFFER_TRANSACTION_COLUMNS
    " from (select unnest($1) as user_id, unnest($2) as idempotency_key, unnest($3) as by_player) as wanted"
    " cross join lateral (select * from transactions where user_id = wanted.user_id"
    " and idempotency_key collate \"C\" = wanted.idempotency_key"
    " and (actor is not distinct from 0) = (wanted.by_player = 1) offset 0) as t"};

// The rows themselves come along: what was read before the lock may have been on a server that is no more.
inline constexpr pg::statement load_refunds{
    "batch_load_refunds",
    "select t.user_id, t.version, t.created_at, r.units"
    " from (select unnest($1) as user_id, unnest($2) as version) as wanted cross join lateral"
    " (select * from transactions where user_id = wanted.user_id and version = wanted.version offset 0) as t"
    " left join lateral"
    " (select * from refunds where user_id = wanted.user_id and version = wanted.version offset 0) as r on true"};

// A row for every id, nulls for a product that there is not. The time comes along, which saves a statement.
inline constexpr pg::statement load_products{
    "batch_load_products",
    "select clock_timestamp(), p.id, p.price, p.type, p.is_active, p.is_limited, p.per_user_limit, p.sale_starts_at,"
    " p.sale_ends_at from (select unnest($1) as id) as wanted left join lateral"
    " (select * from products where id = wanted.id offset 0) as p on true"};

// Before the products are read: a product that is seen as limited then has its stock among the locked ones, unless it
// was not in the list. A stock without a supply is not one.
inline constexpr pg::statement lock_stocks{"batch_lock_stocks",
                                           "select product_id, supply, sold from product_stock"
                                           " where product_id = any($1) and supply is not null"
                                           " order by product_id for no key update"};

inline constexpr pg::statement find_row{
    "batch_find_row", "select request_id, created_at from transactions where user_id = $1 and version = $2"};

// Until the end of the transaction.
inline constexpr pg::statement set_lock_timeout{"batch_set_lock_timeout",
                                                "select set_config('lock_timeout', $1, true)"};

// These skip what is held. A lock on the whole table is waited for all the same.
inline constexpr pg::statement lock_free_users{
    "batch_lock_free_users", COFFER_WALLETS " where id = any($1) order by id for no key update skip locked"};

#undef COFFER_WALLETS

inline constexpr pg::statement lock_free_stocks{"batch_lock_free_stocks",
                                                "select product_id, supply, sold from product_stock"
                                                " where product_id = any($1) and supply is not null"
                                                " order by product_id for no key update skip locked"};

inline constexpr pg::statement find_users{"batch_find_users", "select id, version from users where id = any($1)"};

inline constexpr pg::statement find_stocks{
    "batch_find_stocks",
    "select product_id, supply + sold from product_stock where product_id = any($1) and supply is not null"};

template <typename T>
void sort_unique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// The ids that a batch's load statements ask for; empty lists mean that the statement is left out.
struct wanted {
  wanted(command_list commands, const std::set<product_id>& limited) {
    std::vector<domain::key_place> keys;
    std::vector<std::pair<std::int64_t, std::int64_t>> holdings, refunds;
    for (const domain::command* c : commands) {
      users.push_back(c->user.value);
      if (c->product) {
        products.push_back(c->product->value);
        holdings.emplace_back(c->user.value, c->product->value);
        if (domain::needs_stock(*c) && limited.contains(*c->product)) {
          stocks.push_back(c->product->value);
        }
      }
      if (c->kind == domain::transaction_kind::refund) {
        refunds.emplace_back(c->user.value, c->purchase.at.value);
      }
      if (!c->idempotency_key.empty()) {
        keys.push_back(domain::place_of(*c));
      }
    }
    sort_unique(users);
    sort_unique(products);
    sort_unique(stocks);
    sort_unique(keys);
    sort_unique(holdings);
    sort_unique(refunds);
    for (const auto& [user, product] : holdings) {
      holding_users.push_back(user);
      holding_products.push_back(product);
    }
    for (const auto& [user, at] : refunds) {
      refund_users.push_back(user);
      refund_versions.push_back(at);
    }
    for (const domain::key_place& place : keys) {
      key_users.push_back(place.user.value);
      key_texts.push_back(place.key);
      keys_by_player.push_back(place.by_player ? 1 : 0);
    }
  }

  std::vector<std::int64_t> users;
  std::vector<std::int64_t> products;
  std::vector<std::int64_t> stocks;         ///< of the products that are known to be limited
  std::vector<std::int64_t> holding_users;  ///< with holding_products: what is bought, used, granted or refunded
  std::vector<std::int64_t> holding_products;
  std::vector<std::int64_t> refund_users;  ///< with refund_versions: the purchases that are refunded
  std::vector<std::int64_t> refund_versions;
  std::vector<std::int64_t> key_users;
  std::vector<std::string_view> key_texts;
  std::vector<std::int16_t> keys_by_player;  ///< 1: a player sent it
};

using int64s = std::span<const std::int64_t>;

}  // namespace detail

/// Settings for the sessions that run batches. Every statement here finds its rows by key, whatever the arrays hold:
/// one plan for ever, by the indexes even while a table is new and small. Planning anew for each batch of few users,
/// as the server would choose, costs as much as executing it (docs/adr/0010).
inline void add_batch_settings(pg::options& session) {
  session.settings.emplace_back("plan_cache_mode", "force_generic_plan");
  session.settings.emplace_back("enable_seqscan", "off");
  session.settings.emplace_back("enable_bitmapscan", "off");
}

namespace detail {

/// How long a load waits briefly for a lock. A timeout of 0 is none.
inline std::chrono::milliseconds brief_timeout(std::chrono::milliseconds usual) {
  constexpr std::chrono::milliseconds brief{100};
  return usual == std::chrono::milliseconds{0} ? brief : std::min(brief, usual);
}

inline void add_locks(pg::pipeline& p, const wanted& ids, locking form, std::chrono::milliseconds lock_timeout) {
  const auto set_timeout = [&p](std::chrono::milliseconds timeout) {
    p.add(set_lock_timeout, std::move(pg::params{}.add(std::to_string(timeout.count()))));
  };
  const bool skips = form == locking::skip;
  if (form == locking::wait_briefly) {
    set_timeout(brief_timeout(lock_timeout));
  }
  p.add(skips ? lock_free_users : lock_users, std::move(pg::params{}.add(int64s{ids.users})));
  if (!ids.stocks.empty()) {
    p.add(skips ? lock_free_stocks : lock_stocks, std::move(pg::params{}.add(int64s{ids.stocks})));
  }
  if (form == locking::wait_briefly) {
    set_timeout(lock_timeout);
  }
  // Behind the locks, so that what is there and not locked was held when the locks were taken, or is new since.
  if (skips) {
    p.add(find_users, std::move(pg::params{}.add(int64s{ids.users})));
    if (!ids.stocks.empty()) {
      p.add(find_stocks, std::move(pg::params{}.add(int64s{ids.stocks})));
    }
  }
}

}  // namespace detail

/// Opens a transaction, locks the commands' users in id order and reads, each in a statement of its own so that it
/// sees what was committed while the lock was waited for: holdings, refunds, keyed journal rows, product terms. The
/// stocks of those of its products that are in `limited` are locked after the users and before the terms are read.
/// `lock_timeout`: the session's, which is in force again for what follows in the transaction.
inline pg::pipeline load_batch(command_list commands, const std::set<product_id>& limited, locking form = locking::wait,
                               std::chrono::milliseconds lock_timeout = {}) {
  const detail::wanted ids{commands, limited};
  pg::pipeline p;
  p.add(detail::begin_batch, pg::params{});
  detail::add_locks(p, ids, form, lock_timeout);
  if (ids.products.empty()) {
    p.add(detail::read_clock, pg::params{});
  } else {
    p.add(detail::load_products, std::move(pg::params{}.add(detail::int64s{ids.products})));
    p.add(detail::load_holdings,
          std::move(pg::params{}.add(detail::int64s{ids.holding_users}).add(detail::int64s{ids.holding_products})));
  }
  if (!ids.refund_users.empty()) {
    p.add(detail::load_refunds,
          std::move(pg::params{}.add(detail::int64s{ids.refund_users}).add(detail::int64s{ids.refund_versions})));
  }
  if (!ids.key_users.empty()) {
    p.add(detail::load_keyed, std::move(pg::params{}
                                            .add(detail::int64s{ids.key_users})
                                            .add(std::span<const std::string_view>{ids.key_texts})
                                            .add(std::span<const std::int16_t>{ids.keys_by_player})));
  }
  return p;
}

/// What a load found.
struct loaded_batch {
  domain::batch_state state;
  domain::held_rows held;  ///< of a load that skips them; `state` is without them
};

namespace detail {

inline void read_refunds(const pg::rows& found, command_list commands, domain::batch_state& state) {
  std::set<std::tuple<user_id, version, timestamp>> there;
  for (int r = 0; r < found.size(); ++r) {
    const user_id user{found.int64(r, 0)};
    const version at{found.int64(r, 1)};
    there.emplace(user, at, found.time(r, 2));
    if (!found.is_null(r, 3)) {
      state.refunds.push_back({.user = user, .purchase = at, .units = found.int64(r, 3)});
    }
  }
  for (const domain::command* c : commands) {
    if (c->kind == domain::transaction_kind::refund &&
        !there.contains({c->user, c->purchase.at, c->purchase.bought_at})) {
      state.lost.push_back({c->user, c->purchase.at, c->purchase.bought_at});
    }
  }
}

}  // namespace detail

/// What load_batch() of the same arguments found.
inline loaded_batch read_batch(command_list commands, const std::set<product_id>& limited, locking form,
                               const std::vector<pg::rows>& results) {
  const bool with_products =
      std::any_of(commands.begin(), commands.end(), [](const domain::command* c) { return c->product.has_value(); });
  const bool with_stocks = std::any_of(commands.begin(), commands.end(), [&limited](const domain::command* c) {
    return domain::needs_stock(*c) && limited.contains(*c->product);
  });
  const bool with_refunds = std::any_of(commands.begin(), commands.end(), [](const domain::command* c) {
    return c->kind == domain::transaction_kind::refund;
  });
  loaded_batch found;
  domain::batch_state& state = found.state;
  std::size_t next = form == locking::wait_briefly ? 2 : 1;
  const pg::rows& users = results.at(next++);
  for (int r = 0; r < users.size(); ++r) {
    const version at{users.int64(r, 2)};
    state.wallets.push_back({.user = user_id{users.int64(r, 0)},
                             .balance = domain::credits{users.int64(r, 1)},
                             .at = at,
                             .logged = version{users.optional_int64(r, 3).value_or(at.value)},
                             .logged_in = users.optional_int16(r, 4)});
  }
  if (with_stocks) {
    const pg::rows& stocks = results.at(next++);
    for (int r = 0; r < stocks.size(); ++r) {
      state.stocks.push_back(
          {.product = product_id{stocks.int64(r, 0)}, .supply = stocks.int64(r, 1), .sold = stocks.int64(r, 2)});
    }
  }
  next += form == locking::wait_briefly ? 1 : 0;
  if (form == locking::skip) {
    const pg::rows& all_users = results.at(next++);
    for (int r = 0; r < all_users.size(); ++r) {
      found.held.users.emplace(user_id{all_users.int64(r, 0)}, all_users.int64(r, 1));
    }
    for (const domain::wallet& w : state.wallets) {
      found.held.users.erase(w.user);
    }
  }
  if (form == locking::skip && with_stocks) {
    const pg::rows& all_stocks = results.at(next++);
    for (int r = 0; r < all_stocks.size(); ++r) {
      found.held.stocks.emplace(product_id{all_stocks.int64(r, 0)}, all_stocks.int64(r, 1));
    }
    for (const domain::product_stock& s : state.stocks) {
      found.held.stocks.erase(s.product);
    }
  }
  const pg::rows& products = results.at(next++);
  state.time = products.time(0, 0);
  if (with_products) {
    for (int r = 0; r < products.size(); ++r) {
      if (products.is_null(r, 1)) {
        continue;  // there is none of this id
      }
      state.products.push_back({.id = product_id{products.int64(r, 1)},
                                .price = domain::credits{products.int64(r, 2)},
                                .type = static_cast<domain::product_type>(products.int16(r, 3)),
                                .is_active = products.boolean(r, 4),
                                .is_limited = products.boolean(r, 5),
                                .per_user_limit = products.optional_int64(r, 6),
                                .sale_starts_at = products.optional_time(r, 7),
                                .sale_ends_at = products.optional_time(r, 8)});
    }
    const pg::rows& holdings = results.at(next++);
    for (int r = 0; r < holdings.size(); ++r) {
      state.holdings.push_back({.user = user_id{holdings.int64(r, 0)},
                                .product = product_id{holdings.int64(r, 1)},
                                .quantity = holdings.int64(r, 2),
                                .bought = holdings.int64(r, 3),
                                .purchased_at = holdings.time(r, 4),
                                .stored = true});
    }
  }
  if (with_refunds) {
    detail::read_refunds(results.at(next++), commands, state);
  }
  if (next < results.size()) {
    const pg::rows& keyed = results.at(next);
    for (int r = 0; r < keyed.size(); ++r) {
      state.keyed.push_back(read_transaction(keyed, r));
    }
  }
  state.sort();
  return found;
}

/// Opens a transaction, locks `users` (waiting for any earlier transaction that holds them), and reads the journal
/// row at (user, at): the answer to "did that commit happen?". Results: BEGIN, lock, row.
inline pg::pipeline find_committed(std::span<const std::int64_t> users, user_id user, version at) {
  pg::pipeline p;
  p.add(detail::begin_batch, pg::params{});
  p.add(detail::lock_users, std::move(pg::params{}.add(users)));
  p.add(detail::find_row, std::move(pg::params{}.add(user.value).add(at.value)));
  return p;
}

namespace detail {

inline constexpr pg::statement update_wallets{
    "batch_update_wallets",
    "update users u set balance = new.balance, version = new.version, event_version = new.version, event_stream = $4"
    " from (select unnest($1) as id, unnest($2) as balance, unnest($3) as version) as new where u.id = new.id"};

#define COFFER_INSERT_HOLDINGS                                                  \
  "insert into inventory (user_id, product_id, quantity, purchased_at, bought)" \
  " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5)"

inline constexpr pg::statement insert_holdings{"batch_insert_holdings", COFFER_INSERT_HOLDINGS};

// Of rows that are there. An update would join with them: see load_holdings.
inline constexpr pg::statement update_holdings{
    "batch_update_holdings", COFFER_INSERT_HOLDINGS
    " on conflict (user_id, product_id) do update set quantity = excluded.quantity,"
    " purchased_at = excluded.purchased_at, bought = excluded.bought"};

#undef COFFER_INSERT_HOLDINGS

inline constexpr pg::statement update_stocks{"batch_update_stocks",
                                             "update product_stock s set supply = new.supply, sold = new.sold"
                                             " from (select unnest($1) as product_id, unnest($2) as supply,"
                                             " unnest($3) as sold) as new"
                                             " where s.product_id = new.product_id"};

#define COFFER_INSERT_COLUMNS                                                                              \
  "insert into transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after," \
  " item_quantity_after, reason, idempotency_key, fingerprint, request_id, created_at"
#define COFFER_NEW_ROWS                                                                                     \
  " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8)," \
  " unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), $14"

inline constexpr pg::statement insert_journal{"batch_insert_journal", COFFER_INSERT_COLUMNS ")" COFFER_NEW_ROWS};

// For batches of a server that asks for credentials: elsewhere nobody is known, and a column more costs every batch.
inline constexpr pg::statement insert_attributed_journal{
    "batch_insert_attributed_journal", COFFER_INSERT_COLUMNS ", actor)" COFFER_NEW_ROWS ", unnest($15)"};

// Only for batches that have such a row: most have none.
inline constexpr pg::statement insert_detailed_journal{"batch_insert_detailed_journal", COFFER_INSERT_COLUMNS
                                                       ", actor, detail_1, detail_2)" COFFER_NEW_ROWS
                                                       ", unnest($15), unnest($16), unnest($17)"};

// For batches with grants or refunds.
inline constexpr pg::statement insert_noted_journal{
    "batch_insert_noted_journal",
    COFFER_INSERT_COLUMNS ", actor, detail_1, detail_2, note, note_public)" COFFER_NEW_ROWS
                          ", unnest($15), unnest($16), unnest($17), unnest($18), unnest($19) <> 0"};

#undef COFFER_NEW_ROWS
#undef COFFER_INSERT_COLUMNS

inline constexpr pg::statement count_refunds{"batch_count_refunds",
                                             "insert into refunds (user_id, version, units)"
                                             " select unnest($1), unnest($2), unnest($3)"
                                             " on conflict (user_id, version) do update set units = excluded.units"};

inline constexpr pg::statement count_sales{
    "batch_count_sales",
    "insert into sales_counters as c (hour, product_id, lane, purchases, units, revenue)"
    " select $1, unnest($3), $2, unnest($4), unnest($5), unnest($6)" COFFER_ADD_TO_COUNTER};

inline constexpr pg::statement count_refunded_sales{
    "batch_count_refunded_sales",
    "insert into refunded_sales as c (hour, product_id, lane, purchases, units, revenue)"
    " select unnest($2), unnest($3), $1, unnest($4), unnest($5), unnest($6)" COFFER_ADD_TO_COUNTER};

// A batch that wrote nothing commits for the sake of standbys; without any, its commit need not be on the disk either.
inline constexpr pg::statement commit_for_standbys{
    "batch_commit_for_standbys",
    "select set_config('synchronous_commit', case current_setting('synchronous_standby_names') when '' then 'off'"
    " else current_setting('synchronous_commit') end, true)"};

inline constexpr pg::statement commit_batch{"batch_commit", "commit"};

using int64s = std::span<const std::int64_t>;

inline pg::params wallet_params(const domain::batch_state& state, std::int16_t stream) {
  std::vector<std::int64_t> users, balances, versions;
  for (const domain::wallet& w : state.wallets) {
    if (w.changed) {
      users.push_back(w.user.value);
      balances.push_back(w.balance.value);
      versions.push_back(w.at.value);
    }
  }
  pg::params p;
  p.add(int64s{users}).add(int64s{balances}).add(int64s{versions}).add(stream);
  return p;
}

/// The changed holdings that have a row already, or those that have none. Nothing to write gives nullopt.
inline std::optional<pg::params> holding_params(const domain::batch_state& state, bool stored) {
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
inline std::optional<pg::params> stock_params(const domain::batch_state& state) {
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
inline std::optional<pg::params> refund_params(const domain::batch_state& state) {
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
    first_details.push_back(t.details.first_column());
    second_details.push_back(t.details.second_column());
    notes.push_back(t.note.empty() ? std::nullopt : optional_text{t.note});
    public_notes.push_back(t.note_public ? 1 : 0);
    noted = noted || !t.note.empty();
    attributed = attributed || t.by.is_known();
    detailed = detailed || noted || !t.details.empty();
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

inline void add_journal(pg::pipeline& p, const domain::batch_state& state, const domain::batch_effects& effects) {
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

inline pg::params sales_params(const domain::batch_state& state, const domain::batch_effects& effects,
                               std::int16_t lane_key) {
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

inline pg::params refunded_sales_params(const domain::batch_effects& effects, std::int16_t lane_key) {
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

inline void add_changes(pg::pipeline& p, const domain::batch_state& state, const domain::batch_effects& effects,
                        const batch_places& to) {
  add_journal(p, state, effects);
  if (auto holdings = holding_params(state, true)) {
    p.add(update_holdings, *std::move(holdings));
  }
  if (auto holdings = holding_params(state, false)) {
    p.add(insert_holdings, *std::move(holdings));
  }
  p.add(update_wallets, wallet_params(state, to.stream));
  if (auto stocks = stock_params(state)) {
    p.add(update_stocks, *std::move(stocks));
  }
  if (auto refunds = refund_params(state)) {
    p.add(count_refunds, *std::move(refunds));
  }
  if (!effects.sales.empty()) {
    p.add(count_sales, sales_params(state, effects, to.lane_key));
  }
  if (!effects.refunded_sales.empty()) {
    p.add(count_refunded_sales, refunded_sales_params(effects, to.lane_key));
  }
  add_events(p, state, to.stream);
}

}  // namespace detail

/// Writes wallets, holdings, stocks, refunds, journal rows, sales counters and, right before the commit, the row of the
/// event log (add_events()); without new rows it only commits, and waits for nothing but synchronous standbys. The last
/// result's command tag tells whether the commit happened: COMMIT, or ROLLBACK for a failed transaction.
inline pg::pipeline apply_batch(const domain::batch_state& state, const domain::batch_effects& effects,
                                const batch_places& to) {
  pg::pipeline p;
  if (effects.new_rows.empty()) {
    p.add(detail::commit_for_standbys, pg::params{});
  } else {
    detail::add_changes(p, state, effects, to);
  }
  p.add(detail::commit_batch, pg::params{});
  return p;
}

}  // namespace coffer::store
