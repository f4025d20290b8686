#include "coffer/store/batch_store.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "coffer/store/transaction_row.hpp"

namespace coffer::store {

namespace {

constexpr pg::statement begin_batch{"batch_begin", "begin"};

// NO KEY UPDATE: the rows' keys stay, so foreign-key checks of other writers are not blocked.
constexpr pg::statement lock_users{
    "batch_lock_users", "select id, balance, version from users where id = any($1) order by id for no key update"};

constexpr pg::statement read_clock{"batch_clock", "select clock_timestamp()"};

// Every product of the batch for every user of it: a few rows more than are wanted, and a third cheaper than a join
// with the wanted pairs.
constexpr pg::statement load_holdings{"batch_load_holdings",
                                      "select user_id, product_id, quantity, bought, purchased_at from inventory"
                                      " where user_id = any($1) and product_id = any($2)"};

constexpr pg::statement load_keyed{
    "batch_load_keyed",
    "select t.user_id, t.version, t.kind, t.status, t.product_id, t.quantity, t.amount, t.balance_after,"
    " t.item_quantity_after, t.reason, t.idempotency_key, t.fingerprint, t.request_id, t.created_at,"
    " t.detail_1, t.detail_2, t.note, t.actor, t.note_public"
    " from unnest($1, $2, $3) as wanted (user_id, idempotency_key, by_player)"
    " join transactions t on t.user_id = wanted.user_id and t.idempotency_key = wanted.idempotency_key"
    " and (t.actor is not distinct from 0) = (wanted.by_player = 1)"
    " where t.user_id = any($4)"};

constexpr pg::statement load_refunds{"batch_load_refunds",
                                     "select r.user_id, r.version, r.units"
                                     " from unnest($1, $2) as wanted (user_id, version)"
                                     " join refunds r on r.user_id = wanted.user_id and r.version = wanted.version"
                                     " where r.user_id = any($1)"};

constexpr pg::statement load_products{"batch_load_products",
                                      "select id, price, type, is_active, is_limited, per_user_limit,"
                                      " sale_starts_at, sale_ends_at from products where id = any($1)"};

// Before the products are read: a product that is seen as limited then has its stock among the locked ones, unless it
// was not in the list. A stock without a supply is not one.
constexpr pg::statement lock_stocks{"batch_lock_stocks",
                                    "select product_id, supply, sold from product_stock"
                                    " where product_id = any($1) and supply is not null"
                                    " order by product_id for no key update"};

constexpr pg::statement find_row{"batch_find_row",
                                 "select request_id, created_at from transactions where user_id = $1 and version = $2"};

constexpr pg::statement little_patience{"batch_little_patience", "set local lock_timeout = '100ms'"};

constexpr pg::statement lock_free_users{
    "batch_lock_free_users", "select id from users where id = any($1) order by id for no key update skip locked"};

constexpr pg::statement find_users{"batch_find_users", "select id from users where id = any($1) order by id"};

constexpr pg::statement roll_back{"batch_roll_back", "rollback"};

template <typename T>
void sort_unique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// The ids that a batch's load statements ask for; empty lists mean that the statement is left out.
struct wanted {
  wanted(command_list commands, const std::set<product_id>& limited) {
    std::vector<domain::key_place> keys;
    std::vector<std::pair<std::int64_t, std::int64_t>> refunds;
    for (const domain::command* c : commands) {
      users.push_back(c->user.value);
      if (c->product) {
        products.push_back(c->product->value);
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
    sort_unique(refunds);
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
  std::vector<std::int64_t> stocks;        ///< of the products that are known to be limited
  std::vector<std::int64_t> refund_users;  ///< with refund_versions: the purchases that are refunded
  std::vector<std::int64_t> refund_versions;
  std::vector<std::int64_t> key_users;
  std::vector<std::string_view> key_texts;
  std::vector<std::int16_t> keys_by_player;  ///< 1: a player sent it
};

using int64s = std::span<const std::int64_t>;

}  // namespace

void add_batch_settings(pg::options& session) {
  session.settings.emplace_back("plan_cache_mode", "force_generic_plan");
  session.settings.emplace_back("enable_seqscan", "off");
}

pg::pipeline load_batch(command_list commands, const std::set<product_id>& limited) {
  const wanted ids{commands, limited};
  pg::pipeline p;
  p.add(begin_batch, pg::params{});
  p.add(lock_users, std::move(pg::params{}.add(int64s{ids.users})));
  if (!ids.stocks.empty()) {
    p.add(lock_stocks, std::move(pg::params{}.add(int64s{ids.stocks})));
  }
  p.add(read_clock, pg::params{});
  if (!ids.products.empty()) {
    p.add(load_products, std::move(pg::params{}.add(int64s{ids.products})));
    p.add(load_holdings, std::move(pg::params{}.add(int64s{ids.users}).add(int64s{ids.products})));
  }
  if (!ids.refund_users.empty()) {
    p.add(load_refunds, std::move(pg::params{}.add(int64s{ids.refund_users}).add(int64s{ids.refund_versions})));
  }
  if (!ids.key_users.empty()) {
    p.add(load_keyed, std::move(pg::params{}
                                    .add(int64s{ids.key_users})
                                    .add(std::span<const std::string_view>{ids.key_texts})
                                    .add(std::span<const std::int16_t>{ids.keys_by_player})
                                    .add(int64s{ids.users})));
  }
  return p;
}

domain::batch_state read_batch(command_list commands, const std::set<product_id>& limited,
                               const std::vector<pg::rows>& results) {
  const bool with_products =
      std::any_of(commands.begin(), commands.end(), [](const domain::command* c) { return c->product.has_value(); });
  const bool with_stocks = std::any_of(commands.begin(), commands.end(), [&limited](const domain::command* c) {
    return domain::needs_stock(*c) && limited.contains(*c->product);
  });
  const bool with_refunds = std::any_of(commands.begin(), commands.end(), [](const domain::command* c) {
    return c->kind == domain::transaction_kind::refund;
  });
  domain::batch_state state;
  std::size_t next = 1;
  const pg::rows& users = results.at(next++);
  for (int r = 0; r < users.size(); ++r) {
    state.wallets.push_back({.user = user_id{users.int64(r, 0)},
                             .balance = domain::credits{users.int64(r, 1)},
                             .at = version{users.int64(r, 2)}});
  }
  if (with_stocks) {
    const pg::rows& stocks = results.at(next++);
    for (int r = 0; r < stocks.size(); ++r) {
      state.stocks.push_back(
          {.product = product_id{stocks.int64(r, 0)}, .supply = stocks.int64(r, 1), .sold = stocks.int64(r, 2)});
    }
  }
  state.time = results.at(next++).time(0, 0);
  if (with_products) {
    const pg::rows& products = results.at(next++);
    for (int r = 0; r < products.size(); ++r) {
      state.products.push_back({.id = product_id{products.int64(r, 0)},
                                .price = domain::credits{products.int64(r, 1)},
                                .type = static_cast<domain::product_type>(products.int16(r, 2)),
                                .is_active = products.boolean(r, 3),
                                .is_limited = products.boolean(r, 4),
                                .per_user_limit = products.optional_int64(r, 5),
                                .sale_starts_at = products.optional_time(r, 6),
                                .sale_ends_at = products.optional_time(r, 7)});
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
    const pg::rows& refunds = results.at(next++);
    for (int r = 0; r < refunds.size(); ++r) {
      state.refunds.push_back({.user = user_id{refunds.int64(r, 0)},
                               .purchase = version{refunds.int64(r, 1)},
                               .units = refunds.int64(r, 2)});
    }
  }
  if (next < results.size()) {
    const pg::rows& keyed = results.at(next);
    for (int r = 0; r < keyed.size(); ++r) {
      state.keyed.push_back(read_transaction(keyed, r));
    }
  }
  state.sort();
  return state;
}

pg::pipeline find_committed(std::span<const std::int64_t> users, user_id user, version at) {
  pg::pipeline p;
  p.add(begin_batch, pg::params{});
  p.add(lock_users, std::move(pg::params{}.add(users)));
  p.add(find_row, std::move(pg::params{}.add(user.value).add(at.value)));
  return p;
}

pg::pipeline try_users(std::span<const std::int64_t> users) {
  pg::pipeline p;
  p.add(begin_batch, pg::params{});
  p.add(little_patience, pg::params{});
  p.add(lock_users, std::move(pg::params{}.add(users)));
  p.add(roll_back, pg::params{});
  return p;
}

pg::pipeline probe_users(std::span<const std::int64_t> users) {
  pg::pipeline p;
  p.add(begin_batch, pg::params{});
  p.add(little_patience, pg::params{});  // a lock on the whole table is waited for all the same
  p.add(lock_free_users, std::move(pg::params{}.add(users)));
  p.add(find_users, std::move(pg::params{}.add(users)));
  p.add(roll_back, pg::params{});
  return p;
}

std::vector<std::int64_t> read_held_users(const std::vector<pg::rows>& results) {
  const auto ids_of = [](const pg::rows& found) {
    std::vector<std::int64_t> ids;
    ids.reserve(static_cast<std::size_t>(found.size()));
    for (int r = 0; r < found.size(); ++r) {
      ids.push_back(found.int64(r, 0));
    }
    return ids;
  };
  const std::vector<std::int64_t> free = ids_of(results.at(2));
  const std::vector<std::int64_t> all = ids_of(results.at(3));
  std::vector<std::int64_t> held;
  std::ranges::set_difference(all, free, std::back_inserter(held));
  return held;
}

}  // namespace coffer::store
