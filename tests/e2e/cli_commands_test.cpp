#include <thread>

#include "coffer/app/migrations.hpp"
#include "support/catch.hpp"
#include "support/database.hpp"
#include "support/json_value.hpp"
#include "support/parallel.hpp"
#include "support/process.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"
#include "support/temporary_folder.hpp"

using namespace coffer;

namespace {

test::environment on(const test::database& db) { return {{"DATABASE_URL", db.url()}}; }

}  // namespace

TEST_CASE("the program prints its version and refuses nonsense with exit code 2") {
  const auto version = test::run_coffer({"version"});
  CHECK(version.exit_code == 0);
  CHECK(version.out.starts_with("coffer "));
  const auto wrong = test::run_coffer({"serve"}, {{"COFFER_LANES", "0"}});
  CHECK(wrong.exit_code == 2);
  CHECK(wrong.out.empty());
  CHECK(test::says(wrong.err, "COFFER_LANES '0' is not valid"));
}

TEST_CASE("a misspelt variable of the environment or of a file ends the start of a server") {
  const auto wrong = test::run_coffer({"serve"}, {{"COFFER_LIMIT_PURCHASES", "user:1/1s"}});
  CHECK(wrong.exit_code == 2);
  CHECK(test::says(wrong.err, "COFFER_LIMIT_PURCHASES is no setting; did you mean COFFER_LIMIT_PURCHASE?"));
  const test::temporary_folder folder;
  const std::string file = folder.write("environment", "COFFER_LANE=3\n");
  CHECK(test::says(test::run_coffer({"doctor", "--env-file", file}).err, "COFFER_LANE is no setting; did you mean"));
}

TEST_CASE("what --env-file names reaches the database's client library, too") {
  test::database db;
  const test::temporary_folder folder;
  const std::string file =
      folder.write("environment", "DATABASE_URL=" + db.url() + "\nPGAPPNAME='from a file'\nREDIS_URL=none\n");
  const auto status = test::run_coffer({"migrate", "status", "--env-file", file});
  CHECK(status.exit_code == 0);
  CHECK(test::says(status.out, "0 pending"));
  // The environment wins.
  CHECK(test::run_coffer({"migrate", "status", "--env-file", file}, {{"DATABASE_URL", "postgresql://127.0.0.1:1/none"}})
            .exit_code == 1);
  const std::string secret = folder.write("secret", db.url() + "\n");
  CHECK(test::run_coffer({"migrate", "status"}, {{"DATABASE_URL_FILE", secret}}).exit_code == 0);
}

TEST_CASE("migrate goes up, shows the status, and goes down") {
  test::database db = test::database::empty();
  const std::string first = app::built_in_migrations().front().file_name;
  auto status = test::run_coffer({"migrate", "status", "--exit-code"}, on(db));
  CHECK(status.exit_code == 1);
  CHECK(test::says(status.out, "[ ] " + first));

  const auto up = test::run_coffer({"migrate", "up"}, on(db));
  CHECK(up.exit_code == 0);
  CHECK(test::says(up.out, "applied " + first));
  CHECK(test::run_coffer({"migrate", "up"}, on(db)).out == "nothing to do: the schema is up to date\n");
  status = test::run_coffer({"migrate", "status", "--exit-code"}, on(db));
  CHECK(status.exit_code == 0);
  CHECK(test::says(status.out, "[X] " + first));
  CHECK(test::says(status.out, "\n0 pending\n"));

  CHECK(test::run_coffer({"migrate", "down", "--all"}, on(db)).exit_code == 0);
  CHECK(db.query("select from pg_tables where tablename = 'users'").size() == 0);
}

TEST_CASE("migrate runs a folder, writes new files into it, and tells what fails") {
  test::database db = test::database::empty();
  const test::temporary_folder folder;
  const std::string dir = folder.path().string();
  const auto created = test::run_coffer({"migrate", "new", "first", "--dir", dir});
  CHECK(created.exit_code == 0);
  CHECK(test::says(created.out, "_first.sql\n"));
  CHECK(test::run_coffer({"migrate", "up", "--dir", dir}, on(db)).exit_code == 0);

  folder.write("29990101000000_bad.sql", "-- migrate:up\nselect nonsense;\n");
  const auto bad = test::run_coffer({"migrate", "up", "--dir", dir}, on(db));
  CHECK(bad.exit_code == 1);
  CHECK(test::says(bad.err, "coffer: 29990101000000_bad.sql failed: "));
  CHECK(test::says(bad.err, "It was rolled back as a whole"));

  const auto none = test::run_coffer({"migrate", "up", "--dir", dir + "/none"}, on(db));
  CHECK(none.exit_code == 1);
  CHECK(test::says(none.err, "cannot be read"));
}

TEST_CASE("two processes that migrate at once apply everything once") {
  test::database db = test::database::empty();
  const auto codes =
      test::parallel_map(2, [&](std::size_t) { return test::run_coffer({"migrate", "up"}, on(db)).exit_code; });
  CHECK(codes == std::vector<int>{0, 0});
  CHECK(db.integer("select count(*) from schema_migrations") ==
        static_cast<std::int64_t>(app::built_in_migrations().size()));
}

TEST_CASE("seeding adds products and a funded user once, and the books balance") {
  test::database db;
  const auto first = test::run_coffer({"seed", "--format", "json"}, on(db));
  REQUIRE(first.exit_code == 0);
  const auto seen = test::json_value::parse(first.out);
  CHECK(seen.names() == std::vector<std::string>{"user_id", "products"});
  REQUIRE(seen["products"].size() == 2);
  CHECK(seen["products"][0]["name"] == "Буст на день");
  CHECK(seen["products"][0]["type"] == "consumable");
  CHECK(seen["products"][0]["price"] == 100);
  CHECK(seen["products"][1]["name"] == "Премиум-статус");
  CHECK(seen["products"][1]["type"] == "permanent");
  CHECK(seen["products"][1]["price"] == 500);

  const auto again =
      test::parallel_map(3, [&](std::size_t) { return test::run_coffer({"seed", "--format", "json"}, on(db)).out; });
  CHECK(again == std::vector<std::string>(3, first.out));
  CHECK(db.integer("select balance from users where id = $1", {std::to_string(seen["user_id"].integer())}) == 10000);
  CHECK(db.integer("select count(*) from transactions") == 1);
  CHECK(test::audit(db) == "");
  CHECK(test::says(test::run_coffer({"seed"}, on(db)).out, "user demo: id "));
}

TEST_CASE("the seed's funds are a deposit like any other, beside a server and after an older seed") {
  test::database db;
  test::server_process running{db};
  REQUIRE(test::run_coffer({"seed"}, on(db)).exit_code == 0);
  const char* const row =
      "select concat_ws('|', version, kind, status, product_id, quantity, amount, balance_after, reason, "
      "idempotency_key,"
      " encode(fingerprint, 'hex'), request_id, actor) from transactions";
  // What every program before wrote, so that it is the same deposit to all of them.
  CHECK(db.text(row) == "1|1|2|0|10000|10000|seed|f353d081807b87be969577ffa82bf237|seed");
  CHECK(test::run_coffer({"verify"}, on(db)).exit_code == 0);
  auto client = running.client();
  CHECK(test::buy(client, 1, 1, 1).status == 201);
  CHECK(test::run_coffer({"seed"}, on(db)).out.starts_with("user demo: id 1, balance 9900\n"));
  // A run that finds everything uses up no ids.
  CHECK(db.integer("select nextval('user_ids') * 100 + nextval('product_ids')") == 203);
  CHECK(test::run_coffer({"verify"}, on(db)).exit_code == 0);
}

TEST_CASE("a seed that cannot be says why") {
  test::database db;
  {
    test::server_process running{db};
    auto client = running.client();
    REQUIRE(client.post("/users", R"({"username":"ann","email":"demo@example.com"})").status == 201);
  }
  const auto done = test::run_coffer({"seed"}, on(db));
  CHECK(done.exit_code == 1);
  CHECK(done.err == "coffer: another user has the e-mail address demo@example.com, which is that of the example\n");
  CHECK(db.integer("select count(*) from transactions") == 0);
}

TEST_CASE("concurrent seeds of an empty shop add everything once") {
  for (int round = 0; round < 3; ++round) {
    test::database db;
    test::parallel(4, [&](std::size_t) { test::run_coffer({"seed"}, on(db)); });
    CHECK(db.integer("select count(*) from products") == 2);
    CHECK(db.integer("select count(*) from users") == 1);
    CHECK(db.integer("select balance from users") == 10000);
    CHECK(test::audit(db) == "");
  }
}

TEST_CASE("seeding without a schema names the next command") {
  test::database db = test::database::empty();
  const auto done = test::run_coffer({"seed"}, on(db));
  CHECK(done.exit_code == 1);
  CHECK(done.err == "coffer: the database has no schema yet: run `coffer migrate up`\n");
}

TEST_CASE("the health check fails where nobody answers, within its deadline") {
  const auto begin = std::chrono::steady_clock::now();
  CHECK(test::run_coffer({"healthcheck", "--url", "http://127.0.0.1:1/readyz"}).exit_code == 1);
  // A listener that accepts (in its backlog) and never answers.
  test::process silent{{"python3", "-c",
                        "import socket, time\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen()\n"
                        "print(s.getsockname()[1], flush=True)\ntime.sleep(60)"},
                       {}};
  const auto port = silent.wait_for_line({""}, std::chrono::seconds{10});
  REQUIRE(port.has_value());
  const auto hung = test::run_coffer({"healthcheck", "--url", "http://127.0.0.1:" + *port + "/readyz"});
  CHECK(hung.exit_code == 1);
  CHECK(test::says(hung.err, "no answer within 2s"));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{10});
}

TEST_CASE("bash completes commands, options, their values and files") {
  // What bash itself does at the Tab key, with the script that the program prints.
  const std::string press_tab =
      "source <(\"$0\" completion) || exit 1; COMP_WORDS=(coffer \"$@\"); COMP_CWORD=$#; _coffer; "
      "echo \"${COMPREPLY[*]}\"";
  const auto completed = [&](const std::vector<std::string>& words) {
    std::vector<std::string> arguments{"bash", "-c", press_tab, test::coffer_binary()};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const auto run = test::run(std::move(arguments));
    CHECK(run.exit_code == 0);
    CHECK(run.err.empty());
    return run.out;
  };
  CHECK(completed({"mig"}) == "migrate\n");
  CHECK(completed({"migrate", ""}) == "up down status new --help\n");
  CHECK(completed({"key", "create", "--s"}) == "--scopes\n");
  CHECK(completed({"migrate", "down", "--st"}) == "--steps\n");
  CHECK(completed({"serve", "--auth", ""}) == "off required\n");
  CHECK(completed({"serve", "--auth", "=", "re"}) == "required\n");
  CHECK(completed({"doctor", "--threads", "2", "--format", "j"}) == "json\n");
  CHECK(completed({"verify", "--user", ""}) == "\n");
  CHECK(completed({"nonsense", "mig"}) == "migrate\n");
}
