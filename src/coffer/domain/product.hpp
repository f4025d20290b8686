// What is for sale.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "coffer/base/clock.hpp"
#include "coffer/domain/credits.hpp"

namespace coffer::domain {

/// Consumables stack and are used up; a permanent is owned once. The numbers are stored: never renumber.
enum class product_type : std::int16_t { consumable = 1, permanent = 2 };

/// "consumable" or "permanent".
constexpr std::string_view to_string(product_type type) {
  return type == product_type::consumable ? "consumable" : "permanent";
}

/// The part of a product that decides whether and at what price it is sold.
struct product_terms {
  product_id id;
  credits price;
  product_type type = product_type::consumable;
  bool is_active = true;
};

/// A product as the catalogue shows it.
struct product {
  product_terms terms;
  std::string name;
  std::string description;
};

}  // namespace coffer::domain
