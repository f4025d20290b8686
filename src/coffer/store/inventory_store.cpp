#include "coffer/store/inventory_store.hpp"

#include <algorithm>

namespace coffer::store {

namespace {

constexpr pg::statement select_inventory{
    "inventory_find",
    "select u.version, i.product_id, p.name, p.type, i.quantity, i.purchased_at from users u"
    " left join inventory i on i.user_id = u.id and i.quantity > 0"
    " left join products p on p.id = i.product_id"
    " where u.id = $1 order by i.product_id"};

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

net::task<inventory_slice> read_slice(pg::connection& db, user_id user, version_range range, net::deadline until) {
  const pg::rows found =
      co_await db.query(select_inventory_slice, pg::params::of(user, range.first, range.last), until);
  inventory_slice slice;
  slice.range = range;
  for (int row = 0; row < found.size(); ++row) {
    slice.products = found.int64(row, 5);
    slice.items.push_back({.product = product_id{found.int64(row, 0)},
                           .name = std::string{found.text(row, 1)},
                           .type = static_cast<domain::product_type>(found.int16(row, 2)),
                           .quantity = found.int64(row, 3),
                           .purchased_at = found.optional_time(row, 4).value_or(timestamp{})});
  }
  co_return slice;
}

void inventory_at::add(const inventory_slice& slice) {
  for (const inventory_item& item : slice.items) {
    const auto [known, is_new] = items_.try_emplace(item.product, item);
    if (!is_new && known->second.purchased_at == timestamp{}) {
      known->second.purchased_at = item.purchased_at;
    }
  }
  left_ = version{slice.range.first.value - 1};
  const auto settled = std::ranges::count_if(
      items_, [](const auto& each) { return each.second.quantity == 0 || each.second.purchased_at != timestamp{}; });
  all_known_ = slice.products && settled == *slice.products;
}

inventory inventory_at::result() && {
  inventory all{.user = user_, .at = at_, .items = {}, .as_of = {}};
  for (auto& [product, item] : items_) {
    if (item.quantity > 0) {
      all.items.push_back(std::move(item));
    }
  }
  return all;
}

}  // namespace coffer::store
