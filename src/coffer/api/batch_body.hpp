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
enum class operation_kind : std::uint8_t { purchase = 1, use = 2, add_funds = 3, grant = 4, refund = 5 };

/// One operation; which members it has depends on its kind.
struct batch_operation {
  operation_kind kind = operation_kind::purchase;
  product_id product;                             ///< of a purchase, use or grant of items; 0: none
  std::optional<std::int64_t> quantity;           ///< of all but a deposit
  std::optional<domain::credits> expected_price;  ///< of a purchase
  domain::credits amount;                         ///< of a deposit
  std::optional<std::int64_t> credits;            ///< of a grant of credits
  version purchase;                               ///< of a refund
  bool force = false;                             ///< of a refund
  bool up_to = false;                             ///< of a refund
  bool note_public = false;                       ///< of a grant or refund
  std::string reason;                             ///< of a grant or refund
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
