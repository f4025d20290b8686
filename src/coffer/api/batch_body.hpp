// POST /batch: several operations of one user.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coffer/domain/credits.hpp"
#include "coffer/json/schema.hpp"

namespace coffer::api {

/// The most operations that one batch may hold.
inline constexpr std::size_t max_operations = 100;

/// What an operation does.
enum class operation_kind : std::uint8_t { purchase = 1, use = 2, add_funds = 3 };

/// One operation; which members it has depends on its kind.
struct batch_operation {
  operation_kind kind = operation_kind::purchase;
  product_id product;                             ///< of a purchase or use
  std::int64_t quantity = 1;                      ///< of a purchase or use
  std::optional<domain::credits> expected_price;  ///< of a purchase
  domain::credits amount;                         ///< of a deposit
  std::string idempotency_key;                    ///< empty: none
};

/// POST /batch
struct batch_body {
  user_id user;
  bool atomic = false;
  std::vector<batch_operation> operations;
};

/// Deposits end at `max_deposit` credits.
json::object<batch_body> make_batch_schema(std::int64_t max_deposit);

/// The same as JSON Schema.
std::string batch_json_schema(std::int64_t max_deposit);

}  // namespace coffer::api
