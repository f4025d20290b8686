#include <csignal>

#include "support/catch.hpp"
#include "support/database.hpp"
#include "support/parallel.hpp"
#include "support/process.hpp"

using namespace coffer;

TEST_CASE("each test database has the schema and is gone afterwards") {
  std::string name;
  {
    test::database db;
    name = db.name();
    CHECK(db.integer("select count(*) from users") == 0);
    db.query("insert into users (id, username, email) values ($1, 'a', 'b')", {"1"});
    test::database other;
    CHECK(other.integer("select count(*) from users") == 0);
  }
  test::sql_session server{test::required_env("DATABASE_URL")};
  CHECK(server.query("select from pg_database where datname = $1", {name}).size() == 0);
}

TEST_CASE("test databases can be made at the same time") {
  const auto names = test::parallel_map(6, [](std::size_t) {
    test::database db;
    return db.text("select current_database()");
  });
  for (std::size_t i = 1; i < names.size(); ++i) {
    CHECK(names[i] != names[0]);
  }
}

TEST_CASE("a database URL is pointed at another database whatever its form") {
  CHECK(test::with_database("postgresql://u:p@h:1/a?x=/y", "b") == "postgresql://u:p@h:1/b?x=/y");
  CHECK(test::with_database("postgresql://h", "b") == "postgresql://h/b");
  CHECK(test::with_database("postgresql:///a?host=/tmp", "b") == "postgresql:///b?host=/tmp");
  CHECK(test::with_database("host=/tmp dbname=a", "b") == "host=/tmp dbname=a dbname=b");
}

TEST_CASE("a child's output and end are seen, and its environment is the named one") {
  const auto done = test::run({"sh", "-c", "echo out $COFFER_X; echo err >&2; exit 7"}, {{"COFFER_X", "1"}});
  CHECK(done.exit_code == 7);
  CHECK(done.out == "out 1\n");
  CHECK(done.err == "err\n");
  CHECK_THROWS_AS(test::run({"/no/such/program"}), std::runtime_error);

  test::process sleeper{{"sh", "-c", "echo ready; exec sleep 60"}, {}};
  CHECK(sleeper.wait_for_line({"rea", "ady"}, std::chrono::seconds{5}) == "ready");
  CHECK(!sleeper.wait(std::chrono::milliseconds{1}));
  sleeper.signal(SIGKILL);
  CHECK(sleeper.wait(std::chrono::seconds{5}) == 128 + SIGKILL);
}

TEST_CASE("a credential in a program's output is noticed, and what names one is not") {
  const std::string key = "cof_live_" + std::string(38, 'x');
  const std::string token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl";
  const std::string url = "postgresql://app:hunter2@db.example/shop";
  CHECK(test::credential_in(R"({"key":")" + key + R"("})") == key);
  CHECK(test::credential_in("Bearer " + token) == "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.");
  CHECK(test::credential_in("cannot reach " + url) == "://app:hunter2@");
  CHECK(test::credential_in("cof_live_abcd... eyJ cof_ postgresql://app@db/shop http://127.0.0.1:80/v1") == "");
}
