// How much of a long history the statements of a read look at, by the database's own count.
#include <algorithm>
#include <charconv>
#include <string>

#include "coffer/store/inventory_store.hpp"
#include "coffer/store/journal_store.hpp"
#include "support/catch.hpp"
#include "support/database.hpp"

using namespace coffer;

namespace {

constexpr std::int64_t rows = 20'000;

/// A database with one user whose history is long.
test::database long_history() {
  test::database db;
  db.query("insert into users (id, username, email, version) values (1, 'long', 'long@example.com', " +
           std::to_string(rows) + ")");
  db.query("insert into products (id, name, price, type) values (7, 'seven', 1, 1)");
  db.query(
      "insert into transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after,"
      " item_quantity_after, request_id) select 1, n, 2, 2, 7, 1, 0, 0, n, 'r' from generate_series(1, " +
      std::to_string(rows) + ") n");
  db.query("analyze transactions; set plan_cache_mode = force_generic_plan");
  return db;
}

/// The largest number behind `name` in a plan.
std::int64_t most(const std::string& plan, const std::string& name) {
  std::int64_t largest = 0;
  for (std::size_t at = plan.find(name); at != std::string::npos; at = plan.find(name, at + 1)) {
    std::int64_t number = 0;
    std::from_chars(plan.data() + at + name.size(), plan.data() + plan.size(), number);
    largest = std::max(largest, number);
  }
  return largest;
}

/// The most rows that a node of the statement's plan met.
std::int64_t rows_met(test::database& db, const char* name, const char* sql, const std::string& arguments) {
  db.query(std::string{"prepare "} + name + " as " + sql);
  const auto plan = db.query(std::string{"explain (analyze, buffers, format json) execute "} + name + arguments).text();
  CAPTURE(plan);
  CHECK(plan.find("Seq Scan\",") == std::string::npos);
  return std::max(most(plan, "\"Actual Rows\": "), most(plan, "\"Rows Removed by Filter\": "));
}

}  // namespace

TEST_CASE("a page of a kind that is not there walks no more rows than it may") {
  test::database db = long_history();
  const auto met =
      rows_met(db, "page", store::select_transaction_page.sql,
               "(1, null, 4::smallint, null, false, null, 51, " + std::to_string(store::history_walk) + ")");
  CHECK(met > store::history_walk / 2);
  CHECK(met <= store::history_walk);
}

TEST_CASE("a slice for a past inventory walks its own rows alone") {
  test::database db = long_history();
  const auto met = rows_met(db, "slice", store::select_inventory_slice.sql,
                            "(1, 10001, " + std::to_string(10'000 + store::inventory_walk) + ")");
  CHECK(met == store::inventory_walk);
}
