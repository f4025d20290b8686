// The unique index on idempotency keys: what it keeps apart, and that look-ups use it.
#include "coffer/store/batch_store.hpp"
#include "support/catch.hpp"
#include "support/database.hpp"

using namespace coffer;

namespace {

void insert_keyed(test::database& db, int version, const std::optional<std::string>& actor) {
  db.query(
      "insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, idempotency_key,"
      " fingerprint, request_id, actor) values (1, $1, 1, 2, 0, 1, 1, 'k', '\\x00', 'test', $2)",
      {std::to_string(version), actor});
}

/// The SQLSTATE that a second row with the same key is refused with; empty when it is taken.
std::string refusal_of(const std::optional<std::string>& first, const std::optional<std::string>& second) {
  test::database db;
  db.query("insert into users (id, username, email) values (1, 'u', 'u')");
  insert_keyed(db, 1, first);
  try {
    insert_keyed(db, 2, second);
  } catch (const test::sql_failure& e) {
    return e.sqlstate;
  }
  return {};
}

}  // namespace

TEST_CASE("a key is there once for the player and once for all servers") {
  const std::optional<std::string> nobody, player{"0"}, key{"5"}, other{"6"};
  CHECK(refusal_of(player, player) == "23505");
  CHECK(refusal_of(key, key) == "23505");
  CHECK(refusal_of(key, other) == "23505");
  CHECK(refusal_of(nobody, key) == "23505");
  CHECK(refusal_of(nobody, nobody) == "23505");
  CHECK(refusal_of(player, key).empty());
  CHECK(refusal_of(nobody, player).empty());
}

TEST_CASE("a batch finds its keys by the unique index, under the one plan that it keeps") {
  test::database db;
  // Where users have few keys the planner reads all of them.
  db.query("insert into users (id, username, email) select g, g, g from generate_series(1, 100) g");
  db.query(
      "insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, idempotency_key,"
      " fingerprint, request_id) select u, v, 1, 2, 0, 1, 1, 'k' || v, '\\x00', 'test' from generate_series(1, 100) u,"
      " generate_series(1, 200) v");
  db.query("analyze transactions");
  domain::command c;
  c.user = user_id{1};
  c.idempotency_key = "k";
  const domain::command* const all[] = {&c};
  const pg::pipeline load = store::load_batch(all, {});
  const pg::statement& look_up = *load.entries().back().what;
  REQUIRE(std::string_view{look_up.name} == "batch_load_keyed");
  test::sql_session session{db.url()};
  pg::options settings;
  store::add_batch_settings(settings);
  for (const auto& [name, value] : settings.settings) {
    session.query("set " + name + " = " + value);
  }
  session.query("prepare look_up (bigint[], text[], smallint[]) as " + std::string{look_up.sql});
  std::string plan;
  for (const auto& line : session.query("explain (costs off) execute look_up ('{1}', '{k}', '{0}')").rows) {
    plan += line.at(0).value() + "\n";
  }
  CAPTURE(plan);
  CHECK(plan.find("Index Scan using transactions_key_bytes") != std::string::npos);
  const auto condition = plan.find("Index Cond: ");
  REQUIRE(condition != std::string::npos);
  const std::string used = plan.substr(condition, plan.find('\n', condition) - condition);
  CHECK(used.find("user_id") != std::string::npos);
  CHECK(used.find("idempotency_key") != std::string::npos);
  CHECK(used.find("actor") != std::string::npos);
}
