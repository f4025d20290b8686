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
};

/// The inventory in one statement, hence one snapshot; nullopt when there is no such user.
net::task<std::optional<inventory>> find_inventory(pg::connection& db, user_id user, net::deadline until);

}  // namespace coffer::store
