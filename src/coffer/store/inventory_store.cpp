#include "coffer/store/inventory_store.hpp"

namespace coffer::store {

namespace {

constexpr pg::statement select_inventory{
    "inventory_find",
    "select u.version, i.product_id, p.name, p.type, i.quantity, i.purchased_at from users u"
    " left join inventory i on i.user_id = u.id and i.quantity > 0"
    " left join products p on p.id = i.product_id"
    " where u.id = $1 order by i.product_id"};

// Products come with a purchase or a grant that gives. One pass over the history that keeps a line per product.
constexpr pg::statement select_inventory_at{
    "inventory_find_at",
    "select $2::bigint, j.product_id, p.name, p.type, t.item_quantity_after, j.purchased_at from users u"
    " left join lateral (select product_id, max(version) as last,"
    " max(created_at) filter (where kind = 2 or (kind = 5 and detail_1 is null)) as purchased_at"
    " from transactions where user_id = $1 and version <= $2 and status = 2 and product_id is not null"
    " group by product_id) j on true"
    " left join transactions t on t.user_id = $1 and t.version = j.last"
    " left join products p on p.id = j.product_id"
    " where u.id = $1 and (j.last is null or t.item_quantity_after > 0) order by j.product_id"};

inventory to_inventory(user_id user, const pg::rows& found) {
  inventory all{.user = user, .at = version{found.int64(0, 0)}, .items = {}, .as_of = {}};
  for (int row = 0; row < found.size() && !found.is_null(row, 1); ++row) {
    all.items.push_back({.product = product_id{found.int64(row, 1)},
                         .name = std::string{found.text(row, 2)},
                         .type = static_cast<domain::product_type>(found.int16(row, 3)),
                         .quantity = found.int64(row, 4),
                         .purchased_at = found.time(row, 5)});
  }
  return all;
}

}  // namespace

net::task<std::optional<inventory>> find_inventory(pg::connection& db, user_id user, net::deadline until) {
  pg::params with;
  with.add(user);
  const pg::rows found = co_await db.query(select_inventory, std::move(with), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  co_return to_inventory(user, found);
}

net::task<inventory> find_inventory_at(pg::connection& db, user_id user, version at, net::deadline until) {
  const pg::rows found = co_await db.query(select_inventory_at, pg::params::of(user, at), until);
  if (found.empty()) {
    // All that was ever owned is used up.
    co_return inventory{.user = user, .at = at, .items = {}, .as_of = {}};
  }
  co_return to_inventory(user, found);
}

}  // namespace coffer::store
