// A change of one user that somebody asked for.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "coffer/domain/transaction.hpp"

namespace coffer::domain {

/// A wish, not yet decided. Everything that decide() needs to know of the request.
struct command {
  transaction_kind kind = transaction_kind::purchase;  ///< deposit, purchase or use
  user_id user;
  std::optional<product_id> product;      ///< set for purchase and use
  std::int64_t quantity = 1;              ///< units, 1..max_quantity; not used by a deposit
  credits amount;                         ///< of a deposit, 1..max_credits
  std::optional<credits> expected_price;  ///< of a purchase: per unit; a different price is a refusal
  std::string idempotency_key;            ///< empty: none
  fingerprint print{};                    ///< meaningful only with a key
  std::string request_id;
  /// On the first command of an atomic group: how many commands, this one included, happen together or not at all. They
  /// follow each other and belong to one user. 1 for every other command.
  std::size_t together = 1;
};

/// What became of a command: the journal row, new or (for a repeated key) the one from the first time.
struct decision {
  transaction row;
  bool replayed = false;
};

/// A decision, or a refusal that leaves no row behind (unknown user or product, reused key).
using verdict = result<decision>;

}  // namespace coffer::domain
