// GET /users/{user_id}/statement: a period of the journal as JSON or CSV, streamed.
#include <algorithm>
#include <thread>

#include "support/catch.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

std::string statement_of(std::int64_t user, const std::string& query = "") {
  return fmt::format("/users/{}/statement{}", user, query);
}

std::string time_of(test::database& db, std::int64_t user, int version) {
  return db.sql()
      .query(
          "select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from transactions"
          " where user_id = $1 and version = $2",
          {std::to_string(user), std::to_string(version)})
      .text();
}

/// Adds `rows` deposits of one credit behind the user's journal, one second apart, in the past's order.
void add_history(test::database& db, std::int64_t user, int rows) {
  const std::vector<std::optional<std::string>> who{std::to_string(user), std::to_string(rows)};
  db.sql().query(
      "insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, request_id,"
      " created_at) select u.id, u.version + n, 1, 2, 0, 1, u.balance + n, 'made', now() + n * interval '1 second'"
      " from users u, generate_series(1, $2::int) n where u.id = $1::bigint",
      who);
  db.sql().query("update users set balance = balance + $2::int, version = version + $2::int where id = $1::bigint",
                 who);
}

}  // namespace

TEST_CASE("a statement shows every row with its change and the running balance") {
  test::shop shop;
  REQUIRE(shop.buy(3, "k-1").status == 201);
  REQUIRE(shop.buy(1000).status == 402);
  REQUIRE(test::use(shop.client, shop.user, shop.product).status == 201);
  const auto answer = shop.client.get(statement_of(shop.user));
  CHECK(answer.status == 200);
  CHECK(answer.header("Transfer-Encoding") == "chunked");
  const auto all = answer.json();
  CHECK(all["user_id"] == shop.user);
  CHECK(all["opening_balance"] == 0);
  CHECK(all["closing_balance"] == 997);
  CHECK(all["next_cursor"].is_null());
  REQUIRE(all["items"].size() == 4);
  CHECK(all["items"][0]["change"] == 1000);
  CHECK(all["items"][0]["product_name"].is_null());
  CHECK(all["items"][1]["change"] == -3);
  CHECK(all["items"][1]["idempotency_key"] == "k-1");
  CHECK(all["items"][1]["product_id"] == shop.product);
  CHECK(all["items"][1]["product_name"].text().starts_with("product-"));
  CHECK(all["items"][2]["reason"] == "insufficient_funds");
  CHECK(all["items"][2]["change"] == 0);
  CHECK(all["items"][3]["kind"] == "use");
  CHECK(all["items"][3]["balance_after"] == 997);
  CHECK(shop.client.request("HEAD", statement_of(shop.user)).status == 200);
  CHECK(shop.client.get("/users/99999/statement").code() == "user_not_found");
  const auto empty = shop.client.get(statement_of(test::make_user(shop.client))).json();
  CHECK(empty["items"].size() == 0);
  CHECK(empty["closing_balance"] == 0);
}

TEST_CASE("a statement's period begins with from and ends before to") {
  test::shop shop;
  for (int i = 0; i < 4; ++i) {
    REQUIRE(shop.buy().status == 201);
  }
  const auto second = time_of(shop.db, shop.user, 2);
  const auto fourth = time_of(shop.db, shop.user, 4);
  const auto some = shop.client.get(statement_of(shop.user, "?from=" + second + "&to=" + fourth)).json();
  CHECK(some["opening_balance"] == 1000);
  CHECK(some["closing_balance"] == 998);
  REQUIRE(some["items"].size() == 2);
  CHECK(some["items"][0]["version"] == 2);
  CHECK(some["items"][1]["version"] == 3);
  const auto before = shop.client.get(statement_of(shop.user, "?to=2020-01-01T00:00:00Z")).json();
  CHECK(before["items"].size() == 0);
  CHECK(before["closing_balance"] == 0);
  const auto after = shop.client.get(statement_of(shop.user, "?from=2100-01-01T00:00:00Z")).json();
  CHECK(after["opening_balance"] == 996);
  CHECK(after["closing_balance"] == 996);
  CHECK(after["items"].size() == 0);
  const auto bad = shop.client.get(statement_of(shop.user, "?from=yesterday&limit=0&format=xml&colour=red"));
  CHECK(bad.code() == "invalid_parameter");
  CHECK(bad.json()["errors"].size() == 4);
  CHECK(shop.client.get(statement_of(shop.user, "?from=2021-01-01T00:00:00Z&to=2020-01-01T00:00:00Z")).status == 400);
}

TEST_CASE("parts of a statement join without a gap") {
  test::shop shop;
  for (int i = 0; i < 6; ++i) {
    REQUIRE(shop.buy().status == 201);
  }
  std::string cursor;
  std::int64_t balance = 0;
  std::int64_t next = 1;
  do {
    const auto part =
        shop.client.get(statement_of(shop.user, "?limit=3" + (cursor.empty() ? "" : "&cursor=" + cursor))).json();
    CHECK(part["opening_balance"] == balance);
    for (const auto& item : part["items"].elements()) {
      CHECK(item["version"] == next++);
    }
    balance = part["closing_balance"].integer();
    cursor = part["next_cursor"].is_null() ? "" : part["next_cursor"].text();
  } while (!cursor.empty() && next < 100);
  CHECK(next == 8);
  CHECK(balance == 994);
  const auto first = shop.client.get(statement_of(shop.user, "?limit=1")).json()["next_cursor"].text();
  CHECK(shop.client.get(statement_of(test::make_user(shop.client), "?cursor=" + first)).code() == "invalid_cursor");
}

TEST_CASE("a statement as CSV has a header, CRLF, quotes where needed, and no formulas") {
  test::shop shop;
  const auto body = R"({"name":"=HYPERLINK(\"x\"), now","price":10,"type":"consumable"})";
  const auto product = shop.client.post("/products", body).json()["id"].integer();
  REQUIRE(test::buy(shop.client, shop.user, product, 2, "-k,1").status == 201);
  const auto csv = shop.client.get(statement_of(shop.user), {{"Accept", "text/csv"}});
  CHECK(csv.header("Content-Type") == "text/csv; charset=utf-8; header=present");
  CHECK(csv.header("Content-Disposition") == fmt::format("attachment; filename=\"statement-{}.csv\"", shop.user));
  const std::string last = csv.body.substr(csv.body.rfind("\r\n", csv.body.size() - 3) + 2);
  const auto bought = shop.client.get(fmt::format("/users/{}/transactions/2", shop.user)).json();
  CHECK(last ==
        fmt::format("2,{},purchase,completed,{},\"'=HYPERLINK(\"\"x\"\"), now\",2,20,-20,980,,\"'-k,1\",{},,,,,,\r\n",
                    bought["created_at"].text(), product,
                    bought["request_id"].text().starts_with('-') ? "'" + bought["request_id"].text()
                                                                 : bought["request_id"].text()));
  CHECK(csv.body.starts_with("version,created_at,kind,status,"));
  CHECK(std::count(csv.body.begin(), csv.body.end(), '\r') == 3);
  const auto part = shop.client.get(statement_of(shop.user, "?format=csv&limit=1"), {{"Accept", "application/json"}});
  CHECK(part.header("X-Next-Cursor"));
  CHECK(std::count(part.body.begin(), part.body.end(), '\n') == 2);
  CHECK(shop.client.get(statement_of(shop.user), {{"Accept", "text/csv;q=0.5, application/json"}})
            .header("Content-Type") == "application/json");
}

TEST_CASE("a long statement is streamed whole") {
  test::shop shop;
  add_history(shop.db, shop.user, 30'000);
  auto reader = shop.server.client();
  const auto all = reader.get(statement_of(shop.user)).json();
  REQUIRE(all["items"].size() == 30'001);
  CHECK(all["closing_balance"] == 31'000);
  CHECK(all["items"][30'000]["balance_after"] == 31'000);
  std::int64_t version = 0;
  bool dense = true;
  for (const auto& item : all["items"].elements()) {
    dense = dense && item["version"] == ++version;
  }
  CHECK(dense);
  const auto middle = time_of(shop.db, shop.user, 20'000);
  const auto rest = reader.get(statement_of(shop.user, "?from=" + middle)).json();
  CHECK(rest["items"].size() == 10'002);
  CHECK(rest["opening_balance"] == 20'998);
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("a statement that cannot be read to its end breaks off visibly") {
  test::shop shop;
  add_history(shop.db, shop.user, 3'000);
  shop.db.sql().query("delete from transactions where user_id = $1 and version = 2500", {std::to_string(shop.user)});
  auto reader = shop.server.client();
  // The first pages may have been sent; a chunked body without its last chunk is not a whole one.
  CHECK_THROWS_AS(reader.get(statement_of(shop.user, "?to=2100-01-01T00:00:00Z&limit=3000")), test::http_failure);
  CHECK(shop.client.get("/livez").status == 200);
}

TEST_CASE("a CSV has a byte order mark when it is asked for, and JSON never") {
  test::shop shop;
  const auto csv = shop.client.get(statement_of(shop.user, "?format=csv&bom=true"));
  CHECK(csv.status == 200);
  CHECK(csv.body.starts_with("\xEF\xBB\xBFversion,created_at,"));
  CHECK(csv.body.find("\xEF\xBB\xBF", 1) == std::string::npos);
  CHECK(shop.client.get(statement_of(shop.user, "?bom=true"), {{"Accept", "text/csv"}}).body.starts_with("\xEF"));
  CHECK(shop.client.get(statement_of(shop.user, "?format=csv&bom=false")).body.starts_with("version,"));
  for (const char* query : {"?bom=true", "?bom=true&format=json", "?format=csv&bom=1"}) {
    CAPTURE(query);
    const auto refused = shop.client.get(statement_of(shop.user, query));
    CHECK(refused.status == 400);
    CHECK(refused.json()["errors"][0]["pointer"] == "bom");
  }
}

TEST_CASE("every time in a query that lost its plus sign gets the hint") {
  test::shop shop;
  const std::string lost = "=2026-01-01T00:00:00+01:00";
  for (const std::string& path : {statement_of(shop.user, "?from" + lost), statement_of(shop.user, "?to" + lost),
                                  fmt::format("/users/{}/inventory?as_of{}", shop.user, lost)}) {
    CAPTURE(path);
    const auto refused = shop.client.get(path);
    CHECK(refused.status == 400);
    CHECK(refused.json()["errors"][0]["detail"].text().ends_with("(a plus sign is %2B)"));
  }
  CHECK(shop.client.get(statement_of(shop.user, "?from=2016-12-31T23:59:60Z")).status == 200);
}
