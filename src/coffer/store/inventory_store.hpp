// Reads a user's possessions together with the version they belong to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coffer/domain/product.hpp"
#include "coffer/pg/pool.hpp"

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

/// What the user owned right after the row `at`, which must not be beyond the user's version; 0: before the first row.
/// Read from the journal: the last completed row of each product says how many were owned after it. The user must
/// exist.
net::task<inventory> find_inventory_at(pg::connection& db, user_id user, version at, net::deadline until);

}  // namespace coffer::store
