// Products: the catalogue's rows. Knows no rule.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "coffer/base/error.hpp"
#include "coffer/domain/product.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/store/event_log_store.hpp"
#include "coffer/store/write_frame.hpp"

namespace coffer::store {

/// The members of a product that may change; those that are not set stay.
struct product_changes {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<domain::credits> price;
  std::optional<bool> is_active;
  // The inner nullopt clears.
  std::optional<std::optional<std::int64_t>> stock;  ///< units left from now on
  std::optional<std::optional<std::int64_t>> per_user_limit;
  std::optional<std::optional<timestamp>> sale_starts_at;
  std::optional<std::optional<timestamp>> sale_ends_at;
};

/// Whether a product may be changed, as it is under the locks of the change.
using product_condition = std::function<bool(const domain::product& now)>;

/// Limited products on sale: how many, and what is left of those of which least is left.
struct scarce_products {
  std::int64_t all = 0;
  std::vector<std::pair<product_id, std::int64_t>> least;
};

namespace detail {

#define COFFER_SELECT_PRODUCTS                                                                        \
  "select p.id, p.name, p.description, p.price, p.type, p.is_active, p.is_limited, p.per_user_limit," \
  " p.sale_starts_at, p.sale_ends_at, s.supply - s.sold as stock"                                     \
  " from products p left join product_stock s on s.product_id = p.id"

inline constexpr pg::statement insert_product_row{
    "product_insert",
    "insert into products (id, name, description, price, type, is_active, is_limited, per_user_limit,"
    " sale_starts_at, sale_ends_at, created_at, updated_at)"
    " values (nextval('product_ids'), $1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now())"};

inline constexpr pg::statement insert_stock{
    "product_insert_stock", "insert into product_stock (product_id, supply) values (currval('product_ids'), $1)"};

inline constexpr pg::statement select_inserted{"product_inserted",
                                               COFFER_SELECT_PRODUCTS " where p.id = currval('product_ids')"};

// The first lock of every change, so that changes of one product wait for each other here and not in another order.
// Foreign keys that refer to the product do not wait for it.
inline constexpr pg::statement lock_product{"product_lock", "select 1 from products where id = $1 for no key update"};

// Waits for the batches that are selling the product, and makes the next ones wait.
inline constexpr pg::statement lock_stock{"product_lock_stock",
                                          "select 1 from product_stock where product_id = $1 for update"};

// Waits for the batches that hold the stock; what they sold is in `sold` then.
inline constexpr pg::statement set_stock{
    "product_set_stock",
    "insert into product_stock as s (product_id, supply) select id, $2 from products where id = $1"
    " on conflict (product_id) do update set supply = s.sold + excluded.supply"};

// After the stock: a lane that has locked the stock reads the product afterwards.
inline constexpr pg::statement update_row{
    "product_update",
    "update products set name = coalesce($2, name), description = coalesce($3, description),"
    " price = coalesce($4, price), is_active = coalesce($5, is_active),"
    " is_limited = case when $6 then $7 else is_limited end,"
    " per_user_limit = case when $8 then $9 else per_user_limit end,"
    " sale_starts_at = case when $10 then $11 else sale_starts_at end,"
    " sale_ends_at = case when $12 then $13 else sale_ends_at end, updated_at = now() where id = $1"};

inline constexpr pg::statement select_product{"product_find", COFFER_SELECT_PRODUCTS " where p.id = $1"};

inline constexpr pg::statement select_product_page{"product_list", COFFER_SELECT_PRODUCTS
                                                   " where p.id > $1 and ($2::boolean is null or p.is_active = $2)"
                                                   " order by p.id limit $3"};

// What select_product shows, by the names of its columns. The time is that behind the lock, in which changes of one
// product are in order.
inline constexpr pg::statement insert_changed_event{
    "product_insert_event",
    COFFER_INSERT_EVENTS ", product)" COFFER_NEXT_EVENTS
                         ", clock_timestamp(), 1, '{}', '{}', '{}', to_jsonb(changed) from (" COFFER_SELECT_PRODUCTS
                         " where p.id = coalesce($2, currval('product_ids'))) as changed"};

#undef COFFER_SELECT_PRODUCTS

inline constexpr pg::statement select_scarce{
    "product_scarce",
    "select p.id, s.supply - s.sold, count(*) over () from products p join product_stock s on s.product_id = p.id"
    " where p.is_active and p.is_limited and s.supply is not null order by 2, 1 limit $1"};

/// From column `first` on.
inline domain::product read_product(const pg::rows& result, int row, int first = 0) {
  domain::product p;
  p.terms.id = product_id{result.int64(row, first)};
  p.name = std::string{result.text(row, first + 1)};
  p.description = std::string{result.text(row, first + 2)};
  p.terms.price = domain::credits{result.int64(row, first + 3)};
  p.terms.type = static_cast<domain::product_type>(result.int16(row, first + 4));
  p.terms.is_active = result.boolean(row, first + 5);
  p.terms.is_limited = result.boolean(row, first + 6);
  p.terms.per_user_limit = result.optional_int64(row, first + 7);
  p.terms.sale_starts_at = result.optional_time(row, first + 8);
  p.terms.sale_ends_at = result.optional_time(row, first + 9);
  p.stock = result.optional_int64(row, first + 10);
  return p;
}

inline error sale_ends_too_early() {
  error refusal{errc::validation_failed};
  refusal.fields.push_back(
      {.pointer = "#/sale_ends_at", .code = "after", .detail = "must be after sale_starts_at", .params = {}});
  return refusal;
}

/// Begins the frame of a change: locks the product and looks at it. Refused, the frame is undone.
inline net::task<result<void>> check_product(pg::connection& db, write_frame frame, product_id id,
                                             const product_condition& allows, net::deadline until) {
  pg::pipeline statements;
  statements.add(frame.begin());
  statements.add(lock_product, pg::params::of(id));
  statements.add(lock_stock, pg::params::of(id));
  statements.add(select_product, pg::params::of(id));
  const std::vector<pg::rows> results = co_await db.run(std::move(statements), until);
  const pg::rows& found = results.back();
  if (!found.empty() && allows(read_product(found, 0))) {
    co_return result<void>{};
  }
  const errc why = found.empty() ? errc::product_not_found : errc::precondition_failed;
  co_await frame.undo(db, until);
  co_return std::unexpected(error{why});
}

/// The statements of a change in their frame, for an event in this stream. The last three read the product, write the
/// event and end the frame.
using product_write = std::function<pg::pipeline(std::int16_t stream)>;

/// Writes one product. A clash of names and a sale that would end before it starts are refusals. `id` with `allows`:
/// what has to be checked before.
inline net::task<result<domain::product>> write_product(pg::connection& db, write_frame frame, product_write write,
                                                        net::deadline until, product_id id = {},
                                                        product_condition allows = {}) {
  event_stream stream{event_stream::writer::other, db.backend_pid()};
  for (;;) {
    std::optional<pg::error> failure;
    std::size_t event = 0;
    try {
      if (allows) {
        result<void> allowed = co_await check_product(db, frame, id, allows, until);
        if (!allowed) {
          co_return std::unexpected(std::move(allowed).error());
        }
      }
      pg::pipeline statements = write(stream.number());
      event = statements.size() - 2;
      const std::vector<pg::rows> results = co_await db.run(std::move(statements), until);
      const pg::rows& written = results.at(event - 1);
      if (written.empty()) {
        co_return std::unexpected(error{errc::product_not_found});
      }
      co_return read_product(written, 0);
    } catch (const pg::error& e) {
      failure.emplace(e);
    }
    if (failure->connection_usable()) {
      co_await frame.undo(db, until);
    }
    if (met_other_writer(*failure, event)) {
      stream.move();
      continue;
    }
    if (failure->state() == pg::sqlstate::unique_violation) {
      co_return std::unexpected(error{errc::name_taken});
    }
    if (failure->state() == pg::sqlstate::check_violation) {
      co_return std::unexpected(sale_ends_too_early());
    }
    throw pg::error{*failure};
  }
}

/// Whether a member is changed, and to what.
template <typename T>
void add_change(pg::params& with, const std::optional<std::optional<T>>& change) {
  with.add(change.has_value()).add(change.value_or(std::nullopt));
}

}  // namespace detail

/// Inserts a product; its id is ignored and chosen here. Refusal: name_taken.
inline net::task<result<domain::product>> insert_product(pg::connection& db, domain::product p, net::deadline until) {
  const write_frame frame{db};
  const auto write = [p = std::move(p), frame](std::int16_t stream) {
    pg::params with;
    with.add(p.name).add(p.description).add(p.terms.price);
    with.add(static_cast<std::int16_t>(p.terms.type)).add(p.terms.is_active).add(p.stock.has_value());
    with.add(p.terms.per_user_limit).add(p.terms.sale_starts_at).add(p.terms.sale_ends_at);
    pg::pipeline statements;
    statements.add(frame.begin());
    statements.add(detail::insert_product_row, std::move(with));
    if (p.stock) {
      statements.add(detail::insert_stock, pg::params::of(*p.stock));
    }
    statements.add(detail::select_inserted);
    statements.add(detail::insert_changed_event, pg::params::of(stream, std::optional<std::int64_t>{}));
    statements.add(frame.end());
    return statements;
  };
  return detail::write_product(db, frame, write, until);
}

/// Changes a product in one transaction and gives it as it is then. A new stock waits for the batches that are selling
/// the product. `allows` may be empty; else nothing that it looks at changes between its look and the commit, for a
/// round trip more. Refusals: product_not_found, precondition_failed, name_taken, validation_failed when the sale would
/// not end after its start.
inline net::task<result<domain::product>> update_product(pg::connection& db, product_id id, product_changes changes,
                                                         product_condition allows, net::deadline until) {
  const write_frame frame{db};
  const auto write = [id, changes = std::move(changes), begins = !allows, frame](std::int16_t stream) {
    pg::pipeline statements;
    if (begins) {
      statements.add(frame.begin());
      statements.add(detail::lock_product, pg::params::of(id));
    }
    if (changes.stock) {
      statements.add(detail::set_stock, pg::params::of(id, *changes.stock));
    }
    pg::params with;
    with.add(id).add(changes.name).add(changes.description).add(changes.price).add(changes.is_active);
    with.add(changes.stock.has_value()).add(changes.stock.value_or(std::nullopt).has_value());
    detail::add_change(with, changes.per_user_limit);
    detail::add_change(with, changes.sale_starts_at);
    detail::add_change(with, changes.sale_ends_at);
    statements.add(detail::update_row, std::move(with));
    statements.add(detail::select_product, pg::params::of(id));
    statements.add(detail::insert_changed_event, pg::params::of(stream, std::optional{id.value}));
    statements.add(frame.end());
    return statements;
  };
  return detail::write_product(db, frame, write, until, id, std::move(allows));
}

/// The product, or nullopt.
inline net::task<std::optional<domain::product>> find_product(pg::connection& db, product_id id, net::deadline until) {
  pg::params with;
  with.add(id);
  const pg::rows found = co_await db.query(detail::select_product, std::move(with), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  co_return detail::read_product(found, 0);
}

/// With at most `limit` of them in `least`.
inline net::task<scarce_products> list_scarce(pg::connection& db, std::int64_t limit, net::deadline until) {
  const pg::rows found = co_await db.query(detail::select_scarce, pg::params::of(limit), until);
  scarce_products scarce;
  for (int row = 0; row < found.size(); ++row) {
    scarce.all = found.int64(row, 2);
    scarce.least.emplace_back(product_id{found.int64(row, 0)}, found.int64(row, 1));
  }
  co_return scarce;
}

/// Up to `limit` products with an id above `after`, by id; only those whose is_active is `active` if it is set.
inline net::task<std::vector<domain::product>> list_products(pg::connection& db, product_id after,
                                                             std::optional<bool> active, std::int64_t limit,
                                                             net::deadline until) {
  pg::params with;
  with.add(after).add(active).add(limit);
  const pg::rows found = co_await db.query(detail::select_product_page, std::move(with), until);
  co_return pg::read_all(found, [](const pg::rows& rows, int row) { return detail::read_product(rows, row); });
}

}  // namespace coffer::store
