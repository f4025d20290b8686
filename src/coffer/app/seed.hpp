// Example data for a first look: two products and a user with funds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace coffer::app {

/// What is in the database after seeding, whoever put it there.
struct seeded {
  struct product {
    std::int64_t id = 0;
    std::string name;
    std::string type;
    std::int64_t price = 0;  ///< credits
  };

  std::int64_t user_id = 0;
  std::string username;
  std::int64_t balance = 0;  ///< credits
  std::vector<product> products;

  /// For a person.
  [[nodiscard]] std::string to_text() const;
  /// {"user_id":1,"products":[{"id":1,"name":"...","type":"consumable","price":100}]}
  [[nodiscard]] std::string to_json() const;
};

/// Adds what is missing of the examples, in one transaction; the credits come through a row of the journal with the
/// idempotency key "seed", so that the books balance and a second run adds nothing. Safe beside a running server.
/// Blocks. Throws std::runtime_error with the remedy.
seeded seed_database(const std::string& database_url);

}  // namespace coffer::app
