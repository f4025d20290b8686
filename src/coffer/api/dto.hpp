// The bodies of the contract, each described once.
#pragma once

#include <concepts>
#include <optional>
#include <string>

#include "coffer/domain/product.hpp"
#include "coffer/json/schema.hpp"
#include "coffer/json/writer.hpp"

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

/// POST /users/{user_id}/grants: credits, or units of a product; negative numbers take.
struct grant_body {
  std::optional<std::int64_t> credits;
  std::optional<product_id> product;
  std::optional<std::int64_t> quantity;
  std::string reason;
  bool note_public = false;
};

/// POST /users/{user_id}/transactions/{version}/refund
struct refund_body {
  std::optional<std::int64_t> quantity;  ///< nullopt: all that is possible
  bool force = false;
  bool up_to = false;
  bool note_public = false;
  std::string reason;
};

// Bodies in a fixed form, with their defaults, for fingerprints. A member that is left out differs from null.
std::string canonical(const create_user_body& body);
std::string canonical(const create_product_body& body);
std::string canonical(const change_product_body& body);

/// A value of a canonical body; null when there is none.
template <typename T>
void write_canonical(json::writer& out, const std::optional<T>& value) {
  if (!value) {
    out.null();
  } else if constexpr (std::same_as<T, timestamp>) {
    out.value(to_rfc3339(*value));
  } else if constexpr (requires { value->value; }) {
    out.value(value->value);
  } else {
    out.value(*value);
  }
}

/// Adds what is wrong with a grant's members together: exactly one of the two kinds, nothing of 0.
void check_grant(std::optional<std::int64_t> credits, bool has_product, std::optional<std::int64_t> quantity,
                 json::violations& found);

/// Adds a violation when a body's idempotency_key has other than visible ASCII characters.
void check_body_key(std::string_view key, json::violations& found);

// The members' rules, where they occur in several bodies.
inline constexpr json::integer granted_credits{-domain::max_credits.value, domain::max_credits.value};
inline constexpr json::integer granted_units{-domain::max_grant, domain::max_grant};
inline constexpr std::string_view reason_help = "Why; kept with the transaction as its note.";
inline constexpr std::string_view note_public_help = "Whether players see the note; else it is for operators alone.";
inline constexpr std::string_view force_help =
    "Of a purchase: whether units that are used up are paid back as well; they are booked as missing.";
inline constexpr std::string_view up_to_help =
    "Of a deposit: whether as much as is there is taken back where that is not all; the rest is booked as missing.";
inline constexpr json::text operator_reason{1, 500, json::charset::text};

const json::object<grant_body>& grant_schema();
const json::object<refund_body>& refund_schema();
const json::object<create_user_body>& create_user_schema();
const json::object<create_product_body>& create_product_schema();
const json::object<change_product_body>& change_product_schema();
/// Deposits end at `max_deposit` credits.
json::object<add_funds_body> make_add_funds_schema(std::int64_t max_deposit);
const json::object<purchase_body>& purchase_schema();
const json::object<use_body>& use_schema();

}  // namespace coffer::api
