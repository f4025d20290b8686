// `coffer verify` on books that are right, and on books that are wrong in every way it knows.
#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "coffer/store/books_store.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/parallel.hpp"
#include "support/postgres_server.hpp"
#include "support/process.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"
#include "support/temporary_folder.hpp"

using namespace coffer;

namespace {

test::outcome verify(const test::database& db, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"verify", "--format", "json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return test::run_coffer(arguments, {{"DATABASE_URL", db.url()}});
}

/// The rules that are broken, with their counts: "versions_dense=1 ...".
std::string broken(const test::outcome& run) {
  std::string all;
  const auto report = test::json_value::parse(run.out);
  for (const auto& [name, rule] : report["rules"].members()) {
    if (!(rule["violations"] == 0)) {
      all += fmt::format("{}{}={}", all.empty() ? "" : " ", name, rule["violations"].integer());
    }
  }
  CHECK(report["books_right"].boolean() == all.empty());
  CHECK(run.exit_code == (all.empty() ? 0 : 1));
  return all;
}

/// A shop with a history of every kind, without the constraints that would keep the books from being falsified.
struct corruptible {
  corruptible() {
    premium = test::make_product(s.client, "permanent", 50);
    REQUIRE(s.buy(3, "key").status == 201);
    REQUIRE(test::use(s.client, s.user, s.product).status == 201);
    REQUIRE(test::buy(s.client, s.user, premium).status == 201);
    REQUIRE(test::buy(s.client, s.user, premium).status == 409);
    other = test::make_user(s.client, 10);
    s.db.query(R"(do $$ declare c record; begin
      for c in select conrelid::regclass as t, conname from pg_constraint
        where contype in ('c', 'f') and conrelid in ('users'::regclass, 'transactions'::regclass, 'inventory'::regclass)
      loop execute format('alter table %s drop constraint %I', c.t, c.conname); end loop; end $$)");
  }
  std::string after(const std::string& sql) {
    const auto changed = s.db.query(sql, {std::to_string(s.user)});
    REQUIRE(changed.affected == 1);
    return broken(verify(s.db));
  }

  test::shop s;
  std::int64_t premium = 0;
  std::int64_t other = 0;
};

/// A shop with an event log: users, a deposit, three purchases and a change of the product, a row for each.
struct eventful {
  eventful() {
    for (int n = 0; n < 3; ++n) {
      REQUIRE(s.buy().status == 201);
    }
    REQUIRE(s.client.patch(fmt::format("/products/{}", s.product), R"({"price":2})").status == 200);
    other = test::make_user(s.client);
    lane = s.db.text("select event_stream from users where id = $1", {std::to_string(s.user)});
  }
  /// Changes one row of the log or one user; `$1` is the user who bought, `$2` the stream of the purchases.
  std::string after(const std::string& sql) {
    const auto changed = s.db.query("with known (buyer, lane) as (values ($1::bigint, $2::smallint)) " + sql,
                                    {std::to_string(s.user), lane});
    REQUIRE(changed.affected == 1);
    return broken(verify(s.db));
  }
  /// As after(), of the row of the log with this version of the buyer.
  std::string after_row(int version, const std::string& set) {
    return after(fmt::format(
        "update event_log set {} from known where stream = lane and first_versions = array[{}::bigint]", set, version));
  }

  test::shop s;
  std::int64_t other = 0;  ///< who has done nothing
  std::string lane;
};

/// Writes a row of the journal as an older coffer does, or an operator's SQL: without an event.
void deposit_without_event(test::database& db, std::int64_t user) {
  db.query(
      "with wallet as (update users set version = version + 1, balance = balance + 1 where id = $1 returning *)"
      " insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, request_id, "
      "created_at)"
      " select id, version, 1, 2, 0, 1, balance, 'test', clock_timestamp() from wallet",
      {std::to_string(user)});
}

/// deploy/postgresql/correct_balance.sql, as docs/OPERATIONS.md says.
void correct_balance(const test::database& db, std::int64_t user, int credits) {
  const auto run = test::run(
      {"psql", "-X", "-q", db.url(), "-v", fmt::format("user={}", user), "-v", fmt::format("credits={}", credits), "-v",
       "note=double deposit", "-f", (test::source_root() / "deploy/postgresql/correct_balance.sql").string()},
      {});
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
}

/// The newest row of a stream: "events, users, first_versions, counts, after_streams".
std::string newest_event(test::database& db, int stream) {
  return db.text(
      "select concat_ws(', ', events, users, first_versions, counts, coalesce(after_streams::text, 'alone'))"
      " from event_log where stream = $1 order by position desc limit 1",
      {std::to_string(stream)});
}

}  // namespace

TEST_CASE("books are right after everybody has worked on them at once") {
  test::shop s{{{"COFFER_THREADS", "2"}}, 100};
  const auto premium = test::make_product(s.client, "permanent", 5);
  test::parallel(8, [&](std::size_t i) {
    auto client = s.server.client();
    for (int n = 0; n < 25; ++n) {
      test::buy(client, s.user, n % 5 == 0 ? premium : s.product);
      test::use(client, s.user, s.product);
      test::deposit(client, s.user, 1, fmt::format("{}-{}", i, n));
    }
  });
  const auto run = verify(s.db);
  CHECK(broken(run) == "");
  const auto report = test::json_value::parse(run.out);
  CHECK(report["transactions"] == s.db.integer("select count(*) from transactions"));
  CHECK(report["users"] == 1);
  CHECK(report["rules"].size() == 29);
  const auto text = test::run_coffer({"verify"}, {{"DATABASE_URL", s.db.url()}});
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("The books are right.") != std::string::npos);
}

TEST_CASE("books are right at every moment of a busy server's life") {
  test::shop s{{{"COFFER_THREADS", "2"}}, 500};
  const auto premium = test::make_product(s.client, "permanent", 50);
  constexpr std::size_t clients = 4;
  std::atomic<std::size_t> busy{clients};
  std::vector<int> exit_codes;
  test::parallel(clients + 1, [&](std::size_t i) {
    if (i == clients) {
      do {
        exit_codes.push_back(test::run_coffer({"verify"}, {{"DATABASE_URL", s.db.url()}}).exit_code);
      } while (busy > 0);
      return;
    }
    auto client = s.server.client();
    const auto own = test::make_user(client, 500);
    for (std::size_t n = 0; n < 100; ++n) {
      test::buy(client, n % 2 == 0 ? s.user : own, n % 5 == 0 ? premium : s.product);
      test::use(client, n % 2 == 0 ? s.user : own, s.product);
    }
    --busy;
  });
  CHECK(exit_codes == std::vector<int>(exit_codes.size(), 0));
  const auto run = verify(s.db);
  CHECK(broken(run) == "");
  CHECK(test::json_value::parse(run.out)["transactions"] == 5 + 2 * 100 * static_cast<std::int64_t>(clients));
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("books that were falsified are found, with the rule that is broken") {
  corruptible c;
  REQUIRE(broken(verify(c.s.db)) == "");
  SECTION("a balance") {
    CHECK(c.after("update users set balance = balance + 1 where id = $1") == "balance_is_journal_sum=1");
    const auto example = test::json_value::parse(verify(c.s.db).out)["rules"]["balance_is_journal_sum"]["examples"][0];
    CHECK(example["user_id"] == c.s.user);
    CHECK(example["expected"] == "947");
    CHECK(example["found"] == "948");
    CHECK(broken(verify(c.s.db, {"--user", std::to_string(c.other)})) == "");
    CHECK(broken(verify(c.s.db, {"--user", std::to_string(c.s.user)})) == "balance_is_journal_sum=1");
  }
  SECTION("a negative balance") {
    CHECK(c.after("update users set balance = -1 where id = $1") == "balance_is_journal_sum=1 no_negative_balance=1");
  }
  SECTION("a version") { CHECK(c.after("update users set version = version + 1 where id = $1") == "versions_dense=1"); }
  SECTION("a row that is gone from the middle") {
    CHECK(c.after("delete from transactions where user_id = $1 and version = 3") ==
          "inventory_is_journal_sum=1 versions_dense=1");
  }
  SECTION("an amount") {
    CHECK(c.after("update transactions set amount = amount + 1 where user_id = $1 and version = 2") ==
          "balance_after_is_running_sum=4 balance_is_journal_sum=1 sales_counters_are_journal_sum=1");
  }
  SECTION("a failed row that is called completed") {
    CHECK(c.after("update transactions set status = 2, reason = null where user_id = $1 and status = 3") ==
          "balance_after_is_running_sum=1 balance_is_journal_sum=1 bought_is_journal_sum=1 inventory_is_journal_sum=1"
          " item_quantity_after_is_running_sum=1 permanent_owned_once=1 sales_counters_are_journal_sum=1");
  }
  SECTION("a pending row") {
    CHECK(c.after("update transactions set status = 1, reason = null where user_id = $1 and status = 3") ==
          "no_pending_transaction=1");
  }
  SECTION("a status that is none of ours") {
    CHECK(c.after("update transactions set status = 9, reason = null where user_id = $1 and status = 3") ==
          "no_pending_transaction=1");
  }
  SECTION("a key without its fingerprint") {
    CHECK(c.after("update transactions set fingerprint = null where user_id = $1 and idempotency_key = 'key'") ==
          "fingerprint_of_every_key=1");
  }
  SECTION("a fingerprint without its key") {
    CHECK(c.after("update transactions set fingerprint = 'x' where user_id = $1 and version = 3") ==
          "fingerprint_of_every_key=1");
  }
  SECTION("a version below the first") {
    CHECK(c.after("update transactions set version = 0 where user_id = $1 and version = 1").find("versions_dense") !=
          std::string::npos);
  }
  SECTION("units bought that nobody bought") {
    CHECK(c.after("update inventory set bought = -1 where user_id = $1 and quantity = 2") == "bought_is_journal_sum=1");
  }
  SECTION("a failed row without its reason") {
    CHECK(c.after("update transactions set reason = null where user_id = $1 and status = 3") ==
          "reason_only_of_failed=1");
  }
  SECTION("a failed row that changes the balance") {
    CHECK(c.after("update transactions set balance_after = 0 where user_id = $1 and status = 3") ==
          "balance_after_is_running_sum=1");
  }
  SECTION("a completed row with a reason") {
    CHECK(c.after("update transactions set reason = 'sold_out' where user_id = $1 and version = 1") ==
          "reason_only_of_failed=1");
  }
  SECTION("a time before that of the version before it") {
    CHECK(c.after("update transactions set created_at = created_at - interval '1 day' where user_id = $1 and"
                  " version = 3") == "times_rise_with_versions=1");
  }
  SECTION("a reason that is none of ours") {
    CHECK(c.after("update transactions set reason = 'because' where user_id = $1 and status = 3") ==
          "reason_is_known=1");
  }
  SECTION("a kind that is none of ours") {
    CHECK(c.after("update transactions set kind = 9 where user_id = $1 and version = 3") ==
          "inventory_is_journal_sum=1 item_quantity_after_is_running_sum=1 kind_is_known=1");
  }
  SECTION("a key that was used twice") {
    c.s.db.query("drop index transactions_key_bytes");
    CHECK(c.after("update transactions set idempotency_key = 'key', fingerprint = 'x' where user_id = $1 and"
                  " version = 3") == "idempotency_key_once_per_user=1");
  }
  SECTION("the units after a row") {
    CHECK(c.after("update transactions set item_quantity_after = 7 where user_id = $1 and version = 3") ==
          "item_quantity_after_is_running_sum=1");
  }
  SECTION("the units after a deposit") {
    CHECK(c.after("update transactions set item_quantity_after = 0 where user_id = $1 and version = 1") ==
          "item_quantity_after_is_running_sum=1");
  }
  SECTION("a use of nothing") {
    CHECK(c.after("with wallet as (update users set version = version + 1 where id = $1 returning id, version, balance)"
                  " insert into transactions (user_id, version, kind, status, quantity, amount, balance_after,"
                  " request_id) select id, version, 3, 2, 1, 0, balance, 'test' from wallet") == "product_exists=1");
  }
  SECTION("a line of inventory that nothing explains, even of no units") {
    test::make_product(c.s.client, "consumable", 1);
    CHECK(c.after("insert into inventory (user_id, product_id, quantity)"
                  " select $1, id, 0 from products where id not in (select product_id from inventory)") ==
          "inventory_is_journal_sum=1");
  }
  SECTION("a permanent that is held twice") {
    CHECK(c.after("update inventory set quantity = 2 where user_id = $1 and product_id in"
                  " (select id from products where type = 2)") == "inventory_is_journal_sum=1 permanent_owned_once=1");
  }
  SECTION("a user whose id nobody should have") {
    CHECK(c.after("update users set balance = balance + 1, id = -5 where id = $1").find("balance_is_journal_sum=1") !=
          std::string::npos);
  }
  SECTION("an inventory") {
    CHECK(c.after("update inventory set quantity = quantity + 1 where user_id = $1 and quantity = 2") ==
          "inventory_is_journal_sum=1");
  }
  SECTION("an inventory of nobody") {
    CHECK(
        c.after("insert into inventory (user_id, product_id, quantity) select 999999, id, 1 from products limit $1") ==
        "inventory_is_journal_sum=1 user_exists=1");
  }
  SECTION("a journal of nobody") {
    CHECK(c.after("delete from users where id = $1") ==
          "emails_match_users=1 events_tile_versions=1 user_exists=1 usernames_match_users=1");
    CHECK(test::audit(c.s.db).find("a row is of a user that there is not") != std::string::npos);
  }
  SECTION("a product that is gone") {
    c.s.db.query("delete from products where id = $1", {std::to_string(c.premium)});
    CHECK(broken(verify(c.s.db)) == "product_exists=3");
  }
  SECTION("a user name's entry") {
    CHECK(c.after("update usernames set username = 'someone' where user_id = $1") == "usernames_match_users=1");
  }
  SECTION("an address without its user") {
    CHECK(c.after("update emails set user_id = 999999 where user_id = $1") == "emails_match_users=2");
  }
  SECTION("capitals in a name, which its entry has not") {
    CHECK(c.after("update users set username = upper(username), email = upper(email) where id = $1") == "");
  }
  SECTION("a sales counter that is gone") {
    c.s.db.query("delete from sales_counters where product_id = $1", {std::to_string(c.premium)});
    CHECK(broken(verify(c.s.db)) == "sales_counters_are_journal_sum=1");
  }
  SECTION("a sale counted in another hour") {
    c.s.db.query("update sales_counters set hour = hour - interval '1 hour' where product_id = $1",
                 {std::to_string(c.premium)});
    CHECK(broken(verify(c.s.db)) == "sales_counters_are_journal_sum=2");
  }
  SECTION("a sales counter") {
    c.s.db.query("update sales_counters set units = units + 1 where product_id = $1", {std::to_string(c.premium)});
    CHECK(broken(verify(c.s.db)) == "sales_counters_are_journal_sum=1");
  }
}

TEST_CASE("an event log that was falsified is found, with the rule that is broken") {
  eventful e;
  REQUIRE(broken(verify(e.s.db)) == "");
  REQUIRE(e.s.db.integer("select count(*) from event_log") == 8);
  SECTION("versions that nobody is told of") {
    CHECK(e.after_row(2, "events = 0, users = '{}', first_versions = '{}', counts = '{}'") == "events_tile_versions=1");
    const auto example = test::json_value::parse(verify(e.s.db).out)["rules"]["events_tile_versions"]["examples"][0];
    CHECK(example["user_id"] == e.s.user);
    CHECK(example["expected"] == "versions from 2");
    CHECK(example["found"] == "versions 3..3 at " + e.lane + "-3");
    CHECK(broken(verify(e.s.db, {"--user", std::to_string(e.s.user)})) == "");
  }
  SECTION("a version that is told twice") {
    CHECK(e.after_row(2, "events = 2, counts = array[2]") == "events_tile_versions=1");
  }
  SECTION("a version that there is not yet") {
    CHECK(e.after_row(4, "events = 2, counts = array[2]") == "events_tile_versions=1");
    const auto example = test::json_value::parse(verify(e.s.db).out)["rules"]["events_tile_versions"]["examples"][0];
    CHECK(example["expected"] == "versions to 4, of 4");
    CHECK(example["found"] == "versions 4..5 at " + e.lane + "-4");
  }
  SECTION("versions beyond all numbers, below all, and none") {
    CHECK(e.after_row(4, "first_versions = array[9223372036854775807]") == "events_tile_versions=1");
    CHECK(e.after_row(1, "first_versions = array['-9223372036854775808'::bigint]") == "events_tile_versions=4");
    CHECK(e.after_row(3, "events = -9, counts = array[-9]") == "events_tile_versions=5");
  }
  SECTION("users without versions, and versions without users") {
    CHECK(e.after_row(4, "users = users || 7::bigint") == "events_tile_versions=1");
    CHECK(e.after_row(3, "events = 2, counts = array[1, 1], first_versions = array[3, 5]") == "events_tile_versions=2");
  }
  SECTION("events of nobody") {
    CHECK(e.after_row(4, "events = 2, counts = '{1, 1}', first_versions = '{4, 1}', users = users || 999999::bigint") ==
          "events_tile_versions=1");
  }
  SECTION("a creation that nobody is told of") {
    CHECK(e.after("update event_log set events = 0, users = '{}', first_versions = '{}', counts = '{}' where users ="
                  " array[(select max(id) from users)]") == "events_tile_versions=1");
  }
  SECTION("a user whose newest event is another") {
    CHECK(e.after("update users set event_version = event_version - 1 from known where id = buyer") ==
          "events_tile_versions=1");
    CHECK(e.after("update users set event_version = event_version + 2 from known where id = buyer") ==
          "events_tile_versions=1");
  }
  SECTION("a user who has events, and does not know of any") {
    CHECK(e.after("update users set event_version = null, event_stream = null from known where id = buyer") ==
          "events_tile_versions=1");
  }
  SECTION("a user who does not know where the newest event is") {
    CHECK(e.after("update users set event_stream = null from known where id = buyer") == "events_tile_versions=1");
  }
  SECTION("a row that names none that it comes after") {
    CHECK(e.after_row(1, "after_streams = null, after_positions = null") == "events_in_order=1");
    const auto example = test::json_value::parse(verify(e.s.db).out)["rules"]["events_in_order"]["examples"][0];
    CHECK(example["user_id"] == e.s.user);
    CHECK(example["found"] == "at " + e.lane + "-1");
  }
  SECTION("a row that names an earlier one than it comes after, or another stream's") {
    CHECK(e.after_row(1, "after_positions = array[0]") == "events_in_order=1");
    CHECK(e.after_row(1, "after_positions = array[1], after_streams = array[stream]") == "events_in_order=1");
  }
  SECTION("rows of a stream in another order") {
    CHECK(e.after("update event_log set position = -position from known where stream = lane and position = 3") ==
          "event_positions_dense=2 events_in_order=1");
    e.s.db.query("update event_log set position = 3 where stream = $1 and position = 2", {e.lane});
    CHECK(e.after("update event_log set position = 2 where position = -3") == "events_in_order=1");
  }
  SECTION("a user whose newest event is said to be in another stream") {
    CHECK(e.after("update users set event_stream = event_stream + 1 from known where id = buyer") ==
          "events_in_order=1");
  }
  SECTION("a webhook that is said to have come further than the log") {
    REQUIRE(e.s.client.post("/webhooks", R"({"url":"https://hooks.example/"})").status == 201);
    REQUIRE(broken(verify(e.s.db)) == "");
    CHECK(e.after("update webhook_places set positions = array(select 1 + unnest(positions))") ==
          "webhook_places_in_log=" + e.s.db.text("select count(distinct stream) from event_log"));
  }
  SECTION("a position that was left out") {
    CHECK(e.after_row(4, "position = position + 1") == "event_positions_dense=1");
    const auto example = test::json_value::parse(verify(e.s.db).out)["rules"]["event_positions_dense"]["examples"][0];
    CHECK(example["expected"] == "position " + e.lane + "-4");
    CHECK(example["found"] == e.lane + "-5");
  }
  SECTION("a number of events that is another") {
    CHECK(e.after_row(2, "events = 2") == "event_positions_dense=1");
    CHECK(e.after("update event_log set events = 0 where (stream, position) in"
                  " (select stream, position from event_log where product is not null limit 1)") ==
          "event_positions_dense=2");
  }
  SECTION("a row that comes after one that there is not") {
    CHECK(e.after_row(1, "after_positions = array[after_positions[1] + 9]") == "event_positions_dense=1");
    CHECK(e.after_row(1, "after_positions = array[1], after_streams = array[3000]") ==
          "event_positions_dense=1 events_in_order=1");
  }
}

TEST_CASE("rows without events are no fault of the event log, and the next batch tells of them") {
  test::shop s;
  deposit_without_event(s.db, s.user);
  deposit_without_event(s.db, s.user);
  CHECK(broken(verify(s.db)) == "");
  REQUIRE(s.buy().status == 201);
  CHECK(broken(verify(s.db)) == "");
  const int lane = static_cast<int>(s.db.integer("select event_stream from users"));
  CHECK(newest_event(s.db, lane) == fmt::format("3, {{{}}}, {{2}}, {{3}}, alone", s.user));
  s.db.query("update users set version = version + 1");
  CHECK(broken(verify(s.db)) == "versions_dense=1");
}

TEST_CASE("an event log whose older rows are not kept is right") {
  test::shop s{{{"COFFER_LANES", "1"}}};
  for (int n = 0; n < 3; ++n) {
    REQUIRE(s.buy().status == 201);
  }
  const auto old_user = test::make_user(s.client, 5);
  s.db.query("update event_log set created_at = created_at - interval '2 days'");
  REQUIRE(s.buy().status == 201);
  REQUIRE(s.buy().status == 201);
  REQUIRE(s.buy().status == 201);
  // Each stream's last row stays, however old: the creation of the last user is one, and what came between is gone.
  s.db.query(
      "delete from event_log e where created_at < now() - interval '1 day'"
      " and position < (select max(position) from event_log where stream = e.stream)");
  REQUIRE(s.db.integer("select count(*) from event_log where users[1] = $1", {std::to_string(old_user)}) == 1);
  REQUIRE(s.db.integer("select event_version from users where id = $1", {std::to_string(old_user)}) == 1);
  CHECK(broken(verify(s.db)) == "");
  // What is younger than the rows that the streams begin with is all there.
  s.db.query("update event_log set created_at = created_at - interval '2 hours'");
  for (int n = 0; n < 3; ++n) {
    REQUIRE(s.buy().status == 201);
  }
  REQUIRE(test::deposit(s.client, old_user, 1, "again").status == 201);
  CHECK(broken(verify(s.db)) == "");
  const std::string one = "(select version - 1 from users where id = " + std::to_string(s.user) + ")";
  SECTION("versions that nobody is told of") {
    s.db.query(
        "update event_log set events = 0, users = '{}', first_versions = '{}', counts = '{}'"
        " where first_versions[1] = " +
        one);
    CHECK(broken(verify(s.db)) == "events_tile_versions=1");
  }
  SECTION("a position that was left out") {
    s.db.query("delete from event_log where first_versions[1] = " + one);
    CHECK(broken(verify(s.db)) == "event_positions_dense=1 events_tile_versions=1");
  }
}

TEST_CASE("a balance that is corrected by hand is told of, and the books stay right") {
  test::shop s;
  const auto corrected = [&] { return s.db.integer("select count(*) from event_log where stream = 0"); };
  const auto expect_right_books = [&] {
    CHECK(broken(verify(s.db)) == "");
    CHECK(test::audit(s.db) == "");
  };
  const auto lane = s.db.text("select event_stream from users");
  SECTION("of a user whose events are in a lane's stream") {
    correct_balance(s.db, s.user, -50);
    CHECK(newest_event(s.db, 0) == fmt::format("1, {{{}}}, {{2}}, {{1}}, {{{}}}", s.user, lane));
  }
  SECTION("twice") {
    correct_balance(s.db, s.user, -60);
    expect_right_books();
    correct_balance(s.db, s.user, 10);
    CHECK(newest_event(s.db, 0) == fmt::format("1, {{{}}}, {{3}}, {{1}}, alone", s.user));
    CHECK(corrected() == 2);
  }
  SECTION("of a user who has rows without events") {
    deposit_without_event(s.db, s.user);
    deposit_without_event(s.db, s.user);
    correct_balance(s.db, s.user, -52);
    CHECK(newest_event(s.db, 0) == fmt::format("3, {{{}}}, {{2}}, {{3}}, {{{}}}", s.user, lane));
  }
  SECTION("of a user from before the event log") {
    s.db.query("delete from event_log");
    s.db.query("update users set event_version = null, event_stream = null");
    expect_right_books();
    correct_balance(s.db, s.user, -50);
    CHECK(newest_event(s.db, 0) == fmt::format("1, {{{}}}, {{2}}, {{1}}, alone", s.user));
  }
  expect_right_books();
  CHECK(s.db.integer("select event_version from users") == s.db.integer("select version from users"));
  CHECK(s.db.integer("select event_stream from users") == 0);
  REQUIRE(s.buy().status == 201);
  CHECK(test::balance_of(s.client, s.user) == 949);
  CHECK(s.db.integer("select event_version from users") == s.db.integer("select version from users"));
  CHECK(newest_event(s.db, static_cast<int>(s.db.integer("select event_stream from users"))).ends_with(", {0}"));
  expect_right_books();
}

TEST_CASE("a journal longer than a page is read to its end") {
  test::shop s;
  // Further rows of one user, so that a page ends in the middle of a journal, twice.
  const auto rows = 2 * store::books_page + 10;
  s.db.query(
      "insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, request_id)"
      " select $1, 1 + n, 1, 2, 0, 1, 1000 + n, 'test' from generate_series(1, $2::bigint) n",
      {std::to_string(s.user), std::to_string(rows)});
  s.db.query("update users set balance = balance + $2, version = version + $2 where id = $1",
             {std::to_string(s.user), std::to_string(rows)});
  const auto run = verify(s.db);
  CHECK(broken(run) == "");
  CHECK(test::json_value::parse(run.out)["transactions"] == rows + 1);
  // The last row of a page and the first of the next.
  s.db.query("update transactions set balance_after = 0 where user_id = $1 and version - $2::bigint in (0, 1)",
             {std::to_string(s.user), std::to_string(store::books_page)});
  const auto seam = verify(s.db);
  CHECK(broken(seam) == "balance_after_is_running_sum=2");
  const auto examples = test::json_value::parse(seam.out)["rules"]["balance_after_is_running_sum"]["examples"];
  CHECK(examples[0]["version"] == store::books_page);
  CHECK(examples[1]["version"] == store::books_page + 1);
  s.db.query(
      "update transactions set balance_after = 999 + version where user_id = $1 and version - $2::bigint in (0, 1)",
      {std::to_string(s.user), std::to_string(store::books_page)});
  s.db.query("delete from transactions where user_id = $1 and version = $2",
             {std::to_string(s.user), std::to_string(rows + 1)});
  CHECK(broken(verify(s.db)) == "balance_is_journal_sum=1 versions_dense=1");
}

TEST_CASE("a standby's books are read while its primary serves") {
  const test::postgres_server primary;
  const test::postgres_server standby = test::postgres_server::standby_of(primary);
  test::database db = test::database::on(primary.url());
  test::server_process server{db};
  auto client = server.client();
  const auto user = test::make_user(client, 100);
  const auto product = test::make_product(client, "consumable", 1);
  REQUIRE(test::buy(client, user, product, 3).status == 201);
  const std::string url = standby.url(db.name());
  const std::string position = db.text("select pg_current_wal_lsn()");
  test::sql_session there{standby.url()};
  const std::string replayed = "select coalesce(pg_last_wal_replay_lsn() >= '" + position + "', false)";
  REQUIRE(test::eventually(std::chrono::seconds{20}, [&] { return there.text(replayed) == "t"; }));
  const auto run = test::run_coffer({"verify", "--format", "json"}, {{"DATABASE_URL", url}});
  CHECK(run.exit_code == 0);
  CHECK(test::json_value::parse(run.out)["transactions"] == 2);
}

TEST_CASE("the last result is a file for Prometheus, and stays when the books cannot be read") {
  corruptible c;
  const test::temporary_folder folder;
  const std::string file = (folder.path() / "coffer_verify.prom").string();
  const auto written = [&] {
    std::ifstream in{file};
    return std::string{std::istreambuf_iterator<char>{in}, {}};
  };
  const auto says = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  CHECK(verify(c.s.db, {"--metrics-file", file}).exit_code == 0);
  CHECK(says(written(), "\ncoffer_verify_violations{rule=\"versions_dense\"} 0\n"));
  CHECK(says(written(), "\ncoffer_verify_completed_timestamp_seconds 1"));
  c.s.db.query("update users set version = version + 1 where id = $1", {std::to_string(c.s.user)});
  CHECK(verify(c.s.db, {"--metrics-file", file}).exit_code == 1);
  const std::string wrong = written();
  CHECK(says(wrong, "\ncoffer_verify_violations{rule=\"versions_dense\"} 1\n"));
  const auto nowhere =
      test::run_coffer({"verify", "--metrics-file", file}, {{"DATABASE_URL", "postgresql://127.0.0.1:1/none"}});
  CHECK(nowhere.exit_code == 3);
  CHECK(written() == wrong);
  const auto closed = verify(c.s.db, {"--metrics-file", "/no/such/folder/x"});
  CHECK(closed.exit_code == 3);
  CHECK(says(closed.err, "/no/such/folder/x cannot be written"));
}

TEST_CASE("books that cannot be read are not called right or wrong") {
  const auto nowhere = test::run_coffer({"verify"}, {{"DATABASE_URL", "postgresql://127.0.0.1:1/none"}});
  CHECK(nowhere.exit_code == 3);
  CHECK(nowhere.err.find("could not be read") != std::string::npos);
  const test::database db = test::database::empty();
  const auto empty = test::run_coffer({"verify"}, {{"DATABASE_URL", db.url()}});
  CHECK(empty.exit_code == 3);
  CHECK(empty.err.find("coffer migrate up") != std::string::npos);
  const test::database users;
  const auto unknown = test::run_coffer({"verify", "--user", "99"}, {{"DATABASE_URL", users.url()}});
  CHECK(unknown.exit_code == 3);
  CHECK(unknown.out.empty());
  CHECK(unknown.err.find("there is no user 99") != std::string::npos);
  CHECK(test::run_coffer({"verify", "--user", "0"}, {{"DATABASE_URL", db.url()}}).exit_code == 2);
}
