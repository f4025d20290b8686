// The bodies of the contract, each described once.
#pragma once

#include <optional>
#include <string>

#include "coffer/domain/product.hpp"
#include "coffer/json/schema.hpp"

namespace coffer::api {

/// POST /users
struct create_user_body {
  std::string username;
  std::string email;
};

/// POST /products
struct create_product_body {
  std::string name;
  std::string description;
  domain::credits price;
  domain::product_type type = domain::product_type::consumable;
  bool is_active = true;
  std::optional<std::int64_t> stock;
  std::optional<std::int64_t> per_user_limit;
  std::optional<timestamp> sale_starts_at;
  std::optional<timestamp> sale_ends_at;
};

/// PATCH /products/{product_id}
struct change_product_body {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<domain::credits> price;
  std::optional<bool> is_active;
  std::optional<std::optional<std::int64_t>> stock;  ///< here and below: null clears
  std::optional<std::optional<std::int64_t>> per_user_limit;
  std::optional<std::optional<timestamp>> sale_starts_at;
  std::optional<std::optional<timestamp>> sale_ends_at;
};

/// POST /users/{user_id}/add-funds
struct add_funds_body {
  domain::credits amount;
};

/// POST /products/{product_id}/purchase
struct purchase_body {
  user_id user;
  std::int64_t quantity = 1;
  std::optional<domain::credits> expected_price;
};

/// POST /products/{product_id}/use
struct use_body {
  user_id user;
  std::int64_t quantity = 1;
};

const json::object<create_user_body>& create_user_schema();
const json::object<create_product_body>& create_product_schema();
const json::object<change_product_body>& change_product_schema();
/// Deposits end at `max_deposit` credits.
json::object<add_funds_body> make_add_funds_schema(std::int64_t max_deposit);
const json::object<purchase_body>& purchase_schema();
const json::object<use_body>& use_schema();

}  // namespace coffer::api
