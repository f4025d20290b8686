// `coffer migrate down` over books with rows of every kind: nothing is lost without having been asked for.
#include <fmt/format.h>

#include "coffer/app/migrations.hpp"
#include "support/catch.hpp"
#include "support/credentials.hpp"
#include "support/process.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

/// Books with every kind of row that a journal has, completed and refused, of a server that has ended.
struct full_books {
  full_books() {
    const auto path = fmt::format("/products/{}", s.product);
    REQUIRE(s.buy(3, "key").status == 201);
    REQUIRE(test::use(s.client, s.user, s.product).status == 201);
    REQUIRE(grant(R"("credits":7)").status == 201);
    REQUIRE(grant(R"("credits":-5)").status == 201);
    REQUIRE(grant(fmt::format(R"("product_id":{},"quantity":2)", s.product)).status == 201);
    REQUIRE(refund(2).status == 201);
    REQUIRE(refund(2).status == 409);
    const auto limited = test::make_product(s.client, "consumable", 2);
    REQUIRE(patch(limited, R"({"stock":4,"per_user_limit":3})").status == 200);
    REQUIRE(test::buy(s.client, s.user, limited, 3).status == 201);
    REQUIRE(test::buy(s.client, s.user, limited, 1).code() == "limit_reached");
    REQUIRE(patch(limited, R"({"per_user_limit":null,"sale_starts_at":"2999-01-01T00:00:00Z"})").status == 200);
    REQUIRE(test::buy(s.client, s.user, limited, 1).code() == "not_on_sale");
    REQUIRE(patch(limited, R"({"sale_starts_at":null})").status == 200);
    REQUIRE(test::buy(s.client, s.user, limited, 2, "sold-out").code() == "sold_out");
    REQUIRE(test::buy(s.client, test::make_user(s.client, 1), limited, 1).code() == "insufficient_funds");
    test::make_key(s.db, "admin");
    CHECK(s.db.text("select string_agg(distinct kind::text, ',' order by kind::text) from transactions") ==
          "1,2,3,4,5");
    s.db.query("update transactions set actor = 7 where user_id = $1 and version = 2", {std::to_string(s.user)});
    s.server.stop();
  }

  test::http_response grant(const std::string& what) {
    return s.client.post(fmt::format("/users/{}/grants", s.user), fmt::format(R"({{{},"reason":"a test"}})", what));
  }
  test::http_response refund(int version) {
    return s.client.post(fmt::format("/users/{}/transactions/{}/refund", s.user, version),
                         R"({"quantity":3,"reason":"a test"})");
  }
  test::http_response patch(std::int64_t product, const std::string& what) {
    return s.client.patch(fmt::format("/products/{}", product), what);
  }

  test::shop s;
};

test::outcome migrate(const std::string& url, std::vector<std::string> more) {
  more.insert(more.begin(), "migrate");
  return test::run_coffer(std::move(more), {{"DATABASE_URL", url}});
}

/// All rows of all tables, as a digest per table; of a sum that lanes share, the sum. The event log begins anew, and
/// who sends webhooks.
std::string contents(test::database& db) {
  std::string all;
  const auto tables = db.query(
      "select tablename from pg_tables where schemaname = 'public' and tablename not like '%migrations'"
      " and tablename not in ('event_log', 'webhook_relay') order by 1");
  for (const auto& row : tables.rows) {
    const std::string what =
        *row[0] == "refunded_sales"
            ? "(select hour, product_id, sum(purchases), sum(units), sum(revenue) from refunded_sales group by 1, 2)"
        : *row[0] == "users" ? "(select id, username, email, balance, version, created_at from users)"
                             : *row[0];
    all += fmt::format("{} {}\n", *row[0],
                       db.text(fmt::format("select coalesce(md5(string_agg(t::text, '|' order by t::text)), '')"
                                           " from {} t",
                                           what)));
  }
  return all;
}

/// Answers the program's question on a terminal of its own; the first argument is the answer.
constexpr const char* on_terminal =
    "import os, pty, sys\n"
    "pid, fd = pty.fork()\n"
    "if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])\n"
    "said = b''\n"
    "while True:\n"
    "  try: piece = os.read(fd, 4096)\n"
    "  except OSError: break\n"
    "  if not piece: break\n"
    "  said += piece\n"
    "  if said.endswith(b'to go on: '): os.write(fd, sys.argv[1].encode() + b'\\n')\n"
    "sys.stdout.write(said.decode())\n"
    "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";

}  // namespace

TEST_CASE("going down and up again in any number of steps keeps the books, or is refused as a whole") {
  full_books books;
  test::database& db = books.s.db;
  const std::string before = contents(db);
  const std::size_t steps = app::built_in_migrations().size();
  std::size_t refused = 0;
  for (std::size_t count = 1; count <= steps; ++count) {
    CAPTURE(count);
    const auto down = migrate(db.url(), {"down", "--steps", std::to_string(count)});
    INFO(down.err);
    if (down.exit_code != 0) {
      ++refused;
      CHECK(test::says(down.err, "Nothing was undone"));
      CHECK(test::says(down.err, "--delete-data"));
      CHECK(migrate(db.url(), {"status", "--exit-code"}).exit_code == 0);
    } else {
      CHECK(migrate(db.url(), {"up"}).exit_code == 0);
    }
    CHECK(contents(db) == before);
    CHECK(test::run_coffer({"verify"}, {{"DATABASE_URL", db.url()}}).exit_code == 0);
  }
  CHECK(refused >= 5);
  const auto all = migrate(db.url(), {"down", "--all"});
  CHECK(test::says(all.err, "1 server keys (20261123150000_api_keys.sql)"));
  CHECK(test::says(all.err, "1 transactions of which it is known who asked (20261129100000_actors.sql)"));
  CHECK(test::says(all.err, "5 grants and refunds (20261123120000_grants_and_refunds.sql)"));
  CHECK(test::says(all.err, "2 users with their wallets (20261101120000_initial.sql)"));
}

TEST_CASE("what was deleted on purpose does not keep the schema from coming up again") {
  full_books books;
  books.s.db.sql() = test::sql_session{test::required_env("DATABASE_URL")};
  test::sql_session& server = books.s.db.sql();
  const std::string name = books.s.db.name() + "_copy";
  const std::string url = test::with_database(books.s.db.url(), name);
  for (std::size_t count = 1; count <= app::built_in_migrations().size(); ++count) {
    CAPTURE(count);
    server.query("create database " + name + " template " + books.s.db.name());
    const auto down = migrate(url, {"down", "--delete-data", "--steps", std::to_string(count)});
    INFO(down.err);
    CHECK(down.exit_code == 0);
    const auto up = migrate(url, {"up"});
    INFO(up.err);
    CHECK(up.exit_code == 0);
    CHECK(migrate(url, {"status", "--exit-code"}).exit_code == 0);
    server.query("drop database " + name + " with (force)");
  }
}

TEST_CASE("on a terminal deleting data asks for the database's name") {
  full_books books;
  const auto answer = [&](const std::string& text) {
    return test::run(
        {"python3", "-c", on_terminal, text, test::coffer_binary(), "migrate", "down", "--all", "--delete-data"},
        {{"DATABASE_URL", books.s.db.url()}});
  };
  const std::string before = contents(books.s.db);
  const auto wrong = answer("coffer");
  CHECK(wrong.exit_code == 1);
  CHECK(test::says(wrong.out, "Type the database's name (" + books.s.db.name() + ")"));
  CHECK(test::says(wrong.out, "2 users with their wallets"));
  CHECK(contents(books.s.db) == before);
  const auto right = answer(books.s.db.name());
  CHECK(right.exit_code == 0);
  CHECK(books.s.db.query("select from pg_tables where tablename = 'users'").size() == 0);
}
