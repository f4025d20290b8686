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

/// The inventory in one statement, hence one snapshot; nullopt when there is no such user.
net::task<std::optional<inventory>> find_inventory(pg::connection& db, user_id user, net::deadline until);

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

/// One slice, in one statement.
net::task<inventory_slice> read_slice(pg::connection& db, user_id user, version_range range, net::deadline until);

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

}  // namespace coffer::store
