// Products: the catalogue's rows. Knows no rule.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coffer/base/error.hpp"
#include "coffer/domain/product.hpp"
#include "coffer/pg/pool.hpp"

namespace coffer::store {

/// The members of a product that may change; those that are not set stay.
struct product_changes {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<domain::credits> price;
  std::optional<bool> is_active;
};

/// Inserts a product; its id is ignored and chosen here. Refusal: name_taken.
net::task<result<domain::product>> insert_product(pg::connection& db, domain::product p, net::deadline until);

/// Changes a product in one statement and gives it as it is then. Refusals: product_not_found, name_taken.
net::task<result<domain::product>> update_product(pg::connection& db, product_id id, product_changes changes,
                                                  net::deadline until);

/// The product, or nullopt.
net::task<std::optional<domain::product>> find_product(pg::connection& db, product_id id, net::deadline until);

/// Up to `limit` products with an id above `after`, by id; only those whose is_active is `active` if it is set.
net::task<std::vector<domain::product>> list_products(pg::connection& db, product_id after, std::optional<bool> active,
                                                      std::int64_t limit, net::deadline until);

}  // namespace coffer::store
