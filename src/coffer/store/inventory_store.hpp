// Reads a user's possessions together with the version they belong to.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "coffer/domain/product.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/store/version_range.hpp"

namespace coffer::store {

/// One line of an inventory.
struct inventory_item {
  product_id product;
  std::string name;
  domain::product_type type = domain::product_type::consumable;
  std::int64_t quantity = 0;
  timestamp purchased_at;  ///< of the latest purchase
};

/// Everything a user owns, by product id, as of `at`. Used-up items are left out.
struct inventory {
  user_id user;
  version at;
  std::vector<inventory_item> items;
  std::optional<timestamp> as_of;  ///< of a past one that was asked for by time
};

/// The most rows of a history that one statement walks for a past inventory.
inline constexpr std::int64_t inventory_walk = 5000;

// Per product of the slice: what was owned after its last row, when it came last (with a purchase, or a grant that
// gives), and how many products the user has ever had. An array compares by its first element, which is the version.
inline constexpr pg::statement select_inventory_slice{
    "inventory_slice",
    "select j.product_id, p.name, p.type, j.quantity, j.purchased_at,"
    " (select count(*) from inventory where user_id = $1)"
    " from (select product_id, (max(array[version, item_quantity_after]))[2] as quantity,"
    " max(created_at) filter (where kind = 2 or (kind = 5 and detail_1 is null)) as purchased_at"
    " from transactions where user_id = $1 and version between $2 and $3 and status = 2 and product_id is not null"
    " group by product_id) j join products p on p.id = j.product_id order by j.product_id"};

/// What a slice of a user's history says of the products in it.
struct inventory_slice {
  version_range range;
  std::vector<inventory_item> items;     ///< purchased_at is the epoch when they came before the slice
  std::optional<std::int64_t> products;  ///< that the user has ever had; nullopt: the slice has none of them
};

/// What the user owned right after the row `at`, put together from slices of the journal, the newest first. Ends with
/// the first row, or as soon as every product that the user has ever had is known. Pure.
class inventory_at {
 public:
  /// `at` must not be beyond the user's version; 0: before the first row.
  inventory_at(user_id user, version at) : user_{user}, at_{at}, left_{at} {}

  [[nodiscard]] bool complete() const { return left_.value == 0 || all_known_; }
  /// Unless it is complete.
  [[nodiscard]] version_range next_slice() const {
    return {version{std::max<std::int64_t>(left_.value - inventory_walk + 1, 1)}, left_};
  }
  void add(const inventory_slice& slice);
  inventory result() &&;

 private:
  user_id user_;
  version at_;
  version left_;  ///< the newest row that has not been looked at
  bool all_known_ = false;
  std::map<product_id, inventory_item> items_;
};

namespace detail {

inline constexpr pg::statement select_inventory{
    "inventory_find",
    "select u.version, i.product_id, p.name, p.type, i.quantity, i.purchased_at from users u"
    " left join inventory i on i.user_id = u.id and i.quantity > 0"
    " left join products p on p.id = i.product_id"
    " where u.id = $1 order by i.product_id"};

inline inventory to_inventory(user_id user, const pg::rows& found) {
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

}  // namespace detail

/// The inventory in one statement, hence one snapshot; nullopt when there is no such user.
inline net::task<std::optional<inventory>> find_inventory(pg::connection& db, user_id user, net::deadline until) {
  pg::params with;
  with.add(user);
  const pg::rows found = co_await db.query(detail::select_inventory, std::move(with), until);
  if (found.empty()) {
    co_return std::nullopt;
  }
  co_return detail::to_inventory(user, found);
}

/// One slice, in one statement.
inline net::task<inventory_slice> read_slice(pg::connection& db, user_id user, version_range range,
                                             net::deadline until) {
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

inline void inventory_at::add(const inventory_slice& slice) {
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

inline inventory inventory_at::result() && {
  inventory all{.user = user_, .at = at_, .items = {}, .as_of = {}};
  for (auto& [product, item] : items_) {
    if (item.quantity > 0) {
      all.items.push_back(std::move(item));
    }
  }
  return all;
}

}  // namespace coffer::store
