// What nearly every end-to-end test does first: users with funds, products, purchases; and the books checked after.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "support/database.hpp"
#include "support/http_client.hpp"
#include "support/server_process.hpp"

namespace coffer::test {

/// A unique word, for names that must not clash within a database.
std::string unique_word(const std::string& prefix);

/// Creates a user over HTTP and, if `funds` is not 0, deposits them. Gives the id; throws std::runtime_error when the
/// server refuses.
std::int64_t make_user(http_client& client, std::int64_t funds = 0);

/// Creates a product over HTTP; `type` is "consumable" or "permanent".
std::int64_t make_product(http_client& client, const std::string& type, std::int64_t price);

/// Headers with this Idempotency-Key.
header_list key(const std::string& value);

http_response deposit(http_client& client, std::int64_t user, std::int64_t amount, const std::string& key);
http_response buy(http_client& client, std::int64_t user, std::int64_t product, std::int64_t quantity = 1,
                  const std::optional<std::string>& key = std::nullopt);
http_response use(http_client& client, std::int64_t user, std::int64_t product, std::int64_t quantity = 1,
                  const std::optional<std::string>& key = std::nullopt);

/// Whether the answer is an earlier one, given again to the same key.
inline bool replayed(const http_response& answer) { return answer.header("Idempotent-Replayed") == "true"; }

/// The user's balance as GET /users/{id} shows it.
std::int64_t balance_of(http_client& client, std::int64_t user);

/// The units of a product in the user's inventory as the API shows it; 0 when it is not listed.
std::int64_t owned_units(http_client& client, std::int64_t user, std::int64_t product);

/// The end-to-end tests' usual start: a server on a database of its own, a client, a user with funds and a consumable
/// that costs one credit.
class shop {
 public:
  explicit shop(const environment& extra = {}, std::int64_t funds = 1000);

  http_response buy(std::int64_t quantity = 1, const std::optional<std::string>& key = std::nullopt) {
    return test::buy(client, user, product, quantity, key);
  }
  http_response inventory() { return client.get("/users/" + std::to_string(user) + "/inventory"); }

  database db;
  server_process server;
  http_client client;
  std::int64_t user;
  std::int64_t product;
};

/// Settings with which a request waits for a row as long as a test holds it.
environment patient_settings();

/// Holds a user's row: whatever changes the user waits in the database until release() or the end.
class held_row {
 public:
  held_row(const database& db, std::int64_t user);
  /// Whether somebody waits for it, or does so within `limit`.
  [[nodiscard]] bool is_waited_for(std::chrono::milliseconds limit = std::chrono::seconds{10});
  void release() { session_.query("rollback"); }

 private:
  sql_session session_;
};

/// Checks the books of a whole database in one snapshot: balances are the sum and each balance_after the running sum
/// of the journal, versions are dense, inventory and sales counters are what the journal says, permanents are owned at
/// most once. Gives one line per violated rule; empty when the books are right.
std::string audit(database& db);

}  // namespace coffer::test
