#include "coffer/store/inventory_store.hpp"

namespace coffer::store {

namespace {

constexpr pg::statement select_inventory{
    "inventory_find",
    "select u.version, i.product_id, p.name, p.type, i.quantity, i.purchased_at from users u"
    " left join inventory i on i.user_id = u.id and i.quantity > 0"
    " left join products p on p.id = i.product_id"
    " where u.id = $1 order by i.product_id"};

}  // namespace

net::task<std::optional<inventory>> find_inventory(pg::connection& db, user_id user, net::deadline until) {
  pg::params with;
  with.add(user);
  const pg::rows found = co_await db.query(select_inventory, std::move(with), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  inventory all{.user = user, .at = version{found.int64(0, 0)}, .items = {}};
  for (int row = 0; row < found.size() && !found.is_null(row, 1); ++row) {
    all.items.push_back({.product = product_id{found.int64(row, 1)},
                         .name = std::string{found.text(row, 2)},
                         .type = static_cast<domain::product_type>(found.int16(row, 3)),
                         .quantity = found.int64(row, 4),
                         .purchased_at = found.time(row, 5)});
  }
  co_return all;
}

}  // namespace coffer::store
