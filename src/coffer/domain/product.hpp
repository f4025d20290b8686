// What is for sale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "coffer/base/clock.hpp"
#include "coffer/domain/credits.hpp"

namespace coffer::domain {

/// Consumables stack and are used up; a permanent is owned once. The numbers are stored: never renumber.
enum class product_type : std::int16_t { consumable = 1, permanent = 2 };

/// "consumable" or "permanent"; "unknown" for a type that only a newer version knows.
constexpr std::string_view to_string(product_type type) {
  switch (type) {
    case product_type::consumable:
      return "consumable";
    case product_type::permanent:
      return "permanent";
  }
  return "unknown";
}

/// Whether this version has rules for products of this type.
constexpr bool is_known(product_type type) {
  return type == product_type::consumable || type == product_type::permanent;
}

/// The part of a product that decides whether and at what price it is sold.
struct product_terms {
  product_id id;
  credits price;
  product_type type = product_type::consumable;
  bool is_active = true;
  bool is_limited = false;  ///< a stock is kept: its row is locked before a unit is sold
  std::optional<std::int64_t> per_user_limit = std::nullopt;  ///< units that one user may ever buy; nullopt: any number
  std::optional<timestamp> sale_starts_at = std::nullopt;     ///< the first moment of the sale; nullopt: since ever
  std::optional<timestamp> sale_ends_at = std::nullopt;       ///< the first moment after the sale; nullopt: for ever
};

/// How many units of a limited product have been put on sale and sold since it was first limited. 0 <= sold <= supply.
struct product_stock {
  product_id product;
  std::int64_t supply = 0;
  std::int64_t sold = 0;
  bool changed = false;

  [[nodiscard]] std::int64_t remaining() const { return supply - sold; }
};

/// A product as the catalogue shows it.
struct product {
  product_terms terms;
  std::string name;
  std::string description;
  std::optional<std::int64_t> stock;  ///< units left; nullopt: unlimited
};

}  // namespace coffer::domain
