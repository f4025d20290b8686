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

/// Inserts a product; its id is ignored and chosen here. Refusal: name_taken.
net::task<result<domain::product>> insert_product(pg::connection& db, domain::product p, net::deadline until);

/// Whether a product may be changed, as it is under the locks of the change.
using product_condition = std::function<bool(const domain::product& now)>;

/// Changes a product in one transaction and gives it as it is then. A new stock waits for the batches that are selling
/// the product. `allows` may be empty; else nothing that it looks at changes between its look and the commit, for a
/// round trip more. Refusals: product_not_found, precondition_failed, name_taken, validation_failed when the sale would
/// not end after its start.
net::task<result<domain::product>> update_product(pg::connection& db, product_id id, product_changes changes,
                                                  product_condition allows, net::deadline until);

/// The product, or nullopt.
net::task<std::optional<domain::product>> find_product(pg::connection& db, product_id id, net::deadline until);

/// Limited products on sale: how many, and what is left of those of which least is left.
struct scarce_products {
  std::int64_t all = 0;
  std::vector<std::pair<product_id, std::int64_t>> least;
};

/// With at most `limit` of them in `least`.
net::task<scarce_products> list_scarce(pg::connection& db, std::int64_t limit, net::deadline until);

/// Up to `limit` products with an id above `after`, by id; only those whose is_active is `active` if it is set.
net::task<std::vector<domain::product>> list_products(pg::connection& db, product_id after, std::optional<bool> active,
                                                      std::int64_t limit, net::deadline until);

}  // namespace coffer::store
