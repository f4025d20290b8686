// How many pages the statements of a batch meet for a row that they want, by the database's own count, under the one
// plan that the sessions of lanes keep.
#include <charconv>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/store/batch_store.hpp"
#include "support/catch.hpp"
#include "support/database.hpp"

using namespace coffer;

namespace {

constexpr int wanted_rows = 64;
/// Up to four levels of an index, and the row.
constexpr double most_pages = 5;
/// More for who writes on a conflict: the row's page again to lock the row, and again to write the new one.
constexpr double to_write = 2;

/// Users 1 to `users` who own `lines` products each and have `rows` purchases with a key each.
struct shape {
  const char* what;
  int users, products, lines, rows;
};

constexpr shape shapes[] = {{"few products", 2000, 10, 5, 5},
                            {"many products, full inventories", 2000, 1000, 50, 50},
                            {"long histories", 640, 500, 50, 300}};

/// When the lane made its plans.
enum class planned : std::uint8_t { before_any_analyze, with_few_rows, for_what_is_there };

void fill(test::database& db, const shape& s, int first_user, int last_user) {
  db.query(
      fmt::format("insert into products (id, name, price, type) select n, n, 1, 1 from generate_series(1, {}) n"
                  " on conflict do nothing",
                  s.products));
  const std::string users = fmt::format("generate_series({}, {}) u", first_user, last_user);
  db.query(fmt::format("insert into users (id, username, email, balance, version) select u, u, u, 1000, {} from {}",
                       s.rows, users));
  db.query(
      fmt::format("insert into inventory (user_id, product_id, quantity, bought) select u, 1 + (u + l) % {}, 1, 1"
                  " from {}, generate_series(1, {}) l",
                  s.products, users, s.lines));
  db.query(
      fmt::format("insert into transactions (user_id, version, kind, status, product_id, quantity, amount,"
                  " balance_after, item_quantity_after, idempotency_key, fingerprint, request_id) select u, n, 2, 2,"
                  " 1 + (u + n) % {}, 1, 1, 1000, 1, 'k' || n, '\\x00', 'r' from {}, generate_series(1, {}) n",
                  s.products, users, s.rows));
  db.query(
      fmt::format("insert into refunds (user_id, version, units) select u, 1 + (u + n) % {}, 1 from {},"
                  " generate_series(1, 2) n",
                  s.rows, users));
}

/// What `value` gives for 1 to 64, as an array.
template <typename Value>
std::string array_of(Value value) {
  std::string list;
  for (int n = 1; n <= wanted_rows; ++n) {
    list += fmt::format("{}{}", list.empty() ? "" : ",", value(n));
  }
  return "'{" + list + "}'";
}

/// A session as lanes have it.
class lane_session {
 public:
  explicit lane_session(const test::database& db) : sql_{db.url()} {
    pg::options how;
    store::add_batch_settings(how);
    for (const auto& [name, value] : how.settings) {
      sql_.query("set " + name + " = " + value);
    }
  }

  void prepare(const pg::statement& what, std::string_view types) {
    sql_.query(fmt::format("prepare {} ({}) as {}", what.name, types, what.sql));
  }

  /// Pages that executing `what` meets, for each of the wanted rows.
  double pages_a_row(const pg::statement& what, const std::string& arguments) {
    sql_.query("begin");
    plan = sql_.text(fmt::format("explain (analyze, buffers, format json) execute {} ({})", what.name, arguments));
    sql_.query("rollback");
    return (number_of("\"Shared Hit Blocks\": ") + number_of("\"Shared Read Blocks\": ")) / wanted_rows;
  }

  std::string plan;  ///< the last one

 private:
  /// The first number behind `name`, which is that of the top node.
  double number_of(std::string_view name) const {
    const std::size_t at = plan.find(name);
    REQUIRE(at != std::string::npos);
    std::int64_t number = 0;
    std::from_chars(plan.data() + at + name.size(), plan.data() + plan.size(), number);
    return static_cast<double>(number);
  }

  test::sql_session sql_;
};

struct use {
  const pg::statement& what;
  std::string_view types;
  std::string arguments;
  double most = most_pages;
  bool joins = false;  ///< with its table, so that its plan depends on how large that was
};

/// Every statement of a batch that looks for rows, asking for as many as there are in its arrays.
std::vector<use> uses(const shape& s) {
  using namespace store::detail;
  // Not all of one page, where their new versions would not fit.
  const int apart = s.users / wanted_rows;
  const std::string users = array_of([apart](int n) { return n * apart; });
  const std::string products = array_of([&s, apart](int n) { return 1 + (n * apart + 1) % s.products; });
  const std::string keys = array_of([](int n) { return fmt::format("k{}", 1 + n % 5); });
  const std::string versions = array_of([&s](int n) { return 1 + (n + 1) % s.rows; });
  const std::string ones = array_of([](int) { return 1; });
  const std::string servers = array_of([](int) { return 0; });
  const std::string times = array_of([](int) { return "2026-11-29"; });
  return {{lock_users, "bigint[]", users},
          {load_products, "bigint[]", products},
          {load_holdings, "bigint[], bigint[]", users + ", " + products},
          {load_keyed, "bigint[], text[], smallint[]", fmt::format("{}, {}, {}", users, keys, servers)},
          {load_refunds, "bigint[], bigint[]", users + ", " + versions, 2 * most_pages},  // a row of two tables
          {update_holdings, "bigint[], bigint[], bigint[], timestamptz[], bigint[]",
           fmt::format("{}, {}, {}, {}, {}", users, products, ones, times, ones), most_pages + to_write},
          {update_wallets, "bigint[], bigint[], bigint[], smallint", fmt::format("{}, {}, {}, 1", users, ones, ones),
           most_pages, true}};
}

}  // namespace

TEST_CASE("a statement of a batch meets five pages at most for a row that it wants") {
  for (const shape& s : shapes) {
    for (const planned when : {planned::before_any_analyze, planned::with_few_rows, planned::for_what_is_there}) {
      test::database db;
      const int few = when == planned::with_few_rows ? 2 : s.users;
      fill(db, s, 1, few);
      if (when != planned::before_any_analyze) {
        db.query("analyze");
      }
      lane_session lane{db};
      for (const use& u : uses(s)) {
        lane.prepare(u.what, u.types);
        lane.pages_a_row(u.what, u.arguments);
      }
      if (few < s.users) {
        fill(db, s, few + 1, s.users);
      }
      for (const use& u : uses(s)) {
        // A plan for two users is not for long: autovacuum analyzes the table, and the session plans anew.
        if (u.joins && when == planned::with_few_rows) {
          continue;
        }
        const double pages = lane.pages_a_row(u.what, u.arguments);
        CAPTURE(s.what, static_cast<int>(when), u.what.name, lane.plan);
        CHECK(pages > 0);
        CHECK(pages <= u.most);
      }
    }
  }
}
