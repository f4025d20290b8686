// `coffer doctor`: what is missing is found, named and given a remedy.
#include <algorithm>
#include <initializer_list>

#include "support/catch.hpp"
#include "support/database.hpp"
#include "support/json_value.hpp"
#include "support/process.hpp"
#include "support/redis_server.hpp"
#include "support/server_process.hpp"

using namespace coffer;

namespace {

struct examined {
  int exit_code = -1;
  test::json_value report;

  /// "grade: detail" of a subject; empty when it was not looked at.
  [[nodiscard]] std::string of(std::string_view subject) const {
    for (std::size_t i = 0; i < report["findings"].size(); ++i) {
      const auto& each = report["findings"][i];
      if (each["subject"] == subject) {
        CHECK((each["grade"] == "ok") == each["remedy"].is_null());
        return each["grade"].text() + ": " + each["detail"].text();
      }
    }
    return "";
  }
};

examined doctor(const test::environment& env, std::initializer_list<std::string> flags = {}) {
  std::vector<std::string> arguments{"doctor", "--format", "json"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  for (const char* flag : {"--listen", "--admin-listen"}) {
    if (std::find(flags.begin(), flags.end(), flag) == flags.end()) {
      arguments.insert(arguments.end(), {flag, "127.0.0.1:0"});
    }
  }
  const auto run = test::run_coffer(std::move(arguments), env);
  INFO(run.out << run.err);
  return {run.exit_code, test::json_value::parse(run.out)};
}

/// The tests' own PostgreSQL may run without fsync, which is a fault to be found.
int exit_code_without_faults(test::database& db) { return db.sql().text("show fsync") == "on" ? 0 : 1; }

}  // namespace

TEST_CASE("doctor finds nothing wrong where a server would serve") {
  test::database db;
  const test::redis_server cache;
  const int expected = exit_code_without_faults(db);
  const auto found = doctor({{"DATABASE_URL", db.url()}, {"REDIS_URL", cache.url()}});
  CHECK(found.exit_code == expected);
  CHECK(found.report["can_serve"].boolean() == (expected == 0));
  CHECK(found.of("durability").starts_with(expected == 0 ? "ok: " : "failed: fsync or full_page_writes is off"));
  CHECK(found.of("role") == "ok: a primary that takes writes");
  CHECK(found.of("commits") == "ok: synchronous_commit = on");
  CHECK(found.of("connections").starts_with("ok: "));
  CHECK(found.of("database").starts_with("ok: PostgreSQL "));
  CHECK(found.of("schema").starts_with("ok: "));
  CHECK(found.of("clock").starts_with("ok: "));
  CHECK(found.of("cache") == "ok: Redis answers and takes writes");
  CHECK(found.of("access") == "ok: everybody who reaches it: --auth is off");
  CHECK(found.of("address") == "ok: 127.0.0.1:0 is free");
  CHECK(found.of("admin") == "ok: 127.0.0.1:0 is free");
  CHECK(found.of("settings") == "ok: from flags and the environment");
  CHECK(doctor({{"DATABASE_URL", db.url()}, {"REDIS_URL", "none"}}, {"--admin-listen", "none"}).of("admin") ==
        "ok: off: there is no /metrics");
  const auto text = test::run_coffer({"doctor", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"},
                                     {{"DATABASE_URL", db.url()}, {"REDIS_URL", cache.url()}});
  CHECK(text.exit_code == expected);
  CHECK(text.out.find(expected == 0 ? "would serve" : "would not be ready") != std::string::npos);
}

TEST_CASE("doctor names what would keep a server from being ready, and looks at the rest all the same") {
  SECTION("no database") {
    const auto found = doctor({{"DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none"}, {"REDIS_URL", "none"}});
    CHECK(found.exit_code == 1);
    CHECK_FALSE(found.report["can_serve"].boolean());
    CHECK(found.of("database").starts_with("failed: "));
    CHECK(found.of("schema").empty());
    CHECK(found.of("cache") == "ok: off: inventories come from the database");
    CHECK(found.of("access") == "ok: everybody who reaches it: --auth is off");
  }
  SECTION("a password in the URL is not told") {
    const auto run = test::run_coffer({"doctor", "--database-url", "postgresql://nobody:s3cr3t@127.0.0.1:1/none"});
    CHECK(run.exit_code == 1);
    CHECK((run.out + run.err).find("s3cr3t") == std::string::npos);
  }
  SECTION("no schema") {
    const test::database db = test::database::empty();
    const auto found = doctor({{"DATABASE_URL", db.url()}, {"REDIS_URL", "none"}});
    CHECK(found.exit_code == 1);
    CHECK(found.of("schema") == "failed: missing");
  }
  SECTION("a database that loses what it has committed, or takes no writes") {
    test::database db;
    const std::string role_setting = "alter database " + db.name() + " set ";
    db.query(role_setting + "synchronous_commit = off");
    const auto careless = doctor({{"DATABASE_URL", db.url()}, {"REDIS_URL", "none"}});
    CHECK(careless.exit_code == 1);
    CHECK(careless.of("commits").starts_with("failed: synchronous_commit = off"));
    db.query(role_setting + "synchronous_commit = local");
    const auto local = doctor({{"DATABASE_URL", db.url()}, {"REDIS_URL", "none"}});
    CHECK(local.exit_code == exit_code_without_faults(db));
    CHECK(local.of("commits").starts_with("warning: synchronous_commit = local"));
    db.query(role_setting + "default_transaction_read_only = on");
    const auto read_only = doctor({{"DATABASE_URL", db.url()}, {"REDIS_URL", "none"}});
    CHECK(read_only.exit_code == 1);
    CHECK(read_only.of("role") == "failed: transactions are read-only");
  }
  SECTION("a role without the rights that it needs") {
    test::database db;
    const test::serving_role role{db};
    db.query("revoke insert on transactions from " + role.name());
    db.query("revoke usage on user_ids from " + role.name());
    db.query("revoke delete on event_log from " + role.name());
    const auto found = doctor({{"DATABASE_URL", role.url()}, {"REDIS_URL", "none"}});
    CHECK(found.exit_code == 1);
    CHECK(found.of("privileges") ==
          "failed: " + role.name() + " lacks delete on event_log, insert on transactions, usage on user_ids");
    CHECK(found.of("schema").empty());
  }
  SECTION("more connections than the database has") {
    const test::database db;
    const auto found = doctor({{"DATABASE_URL", db.url()}, {"REDIS_URL", "none"}},
                              {"--threads", "64", "--read-pool-size", "256", "--lanes", "32"});
    CHECK(found.exit_code == 1);
    CHECK(found.of("connections").starts_with("failed: 16417 wanted"));
  }
}

TEST_CASE("doctor warns of what makes a server slower or confuses its operator") {
  test::database db;
  const int expected = exit_code_without_faults(db);
  test::redis_server cache;
  const test::environment env{{"DATABASE_URL", db.url()}, {"REDIS_URL", cache.url()}};
  SECTION("a cache that is away") {
    cache.kill();
    const auto found = doctor(env);
    CHECK(found.exit_code == expected);
    CHECK(found.of("cache").starts_with("warning: Redis does not answer"));
  }
  SECTION("a cache that is full") {
    test::redis_session{cache.socket()}.command({"CONFIG", "SET", "maxmemory", "1"});
    const auto found = doctor(env);
    CHECK(found.exit_code == expected);
    CHECK(found.of("cache").starts_with("warning: Redis refuses writes: OOM"));
  }
  SECTION("a role that may do more than serve") {
    CHECK(doctor(env).of("privileges").ends_with(" may change the journal, which a server never does"));
    const test::serving_role role{db};
    const auto found = doctor({{"DATABASE_URL", role.url()}, {"REDIS_URL", cache.url()}});
    CHECK(found.of("privileges") == "ok: " + role.name() + " has what it needs and no more");
    CHECK(found.of("schema").starts_with("ok: "));
  }
  SECTION("keys required and none made, and tokens without their keys") {
    CHECK(doctor(env, {"--auth", "required"}).of("access") == "warning: 0 server keys in force");
    const auto found =
        doctor(env, {"--auth", "required", "--jwt-keys", "/nowhere", "--jwt-issuer", "i", "--jwt-audience", "a"});
    CHECK(found.exit_code == 1);
    CHECK(found.of("tokens").starts_with("failed: --jwt-keys (COFFER_JWT_KEYS): /nowhere cannot be read"));
  }
  SECTION("too few descriptors") {
    const auto found = doctor(env, {"--max-connections", "1000000"});
    CHECK(found.of("descriptors").find("1000") != std::string::npos);
    CHECK(found.of("descriptors").starts_with("warning: "));
  }
  SECTION("an address of another machine") {
    const auto found = doctor(env, {"--listen", "192.0.2.1:8080", "--allow-insecure-listen"});
    CHECK(found.exit_code == 1);
    CHECK(found.of("address").starts_with("failed: 192.0.2.1:8080 cannot be listened on"));
  }
}

TEST_CASE("doctor fails on an address that is in use, of the API and of /metrics") {
  const test::database db;
  const test::server_process server{db};
  const test::environment env{{"DATABASE_URL", db.url()}, {"REDIS_URL", "none"}};
  const std::string api = "127.0.0.1:" + std::to_string(server.port());
  const std::string admin = "127.0.0.1:" + std::to_string(server.admin_port());
  const auto same = doctor(env, {"--listen", api});
  CHECK(same.exit_code == 1);
  CHECK(same.of("address") == "failed: " + api + " is in use: a server answers there");
  CHECK(same.of("admin").starts_with("ok: "));
  const auto metrics = doctor(env, {"--admin-listen", admin});
  CHECK(metrics.exit_code == 1);
  CHECK(metrics.of("address").starts_with("ok: "));
  CHECK(metrics.of("admin") == "failed: " + admin + " is in use: a server answers there");
  CHECK(doctor(env, {"--listen", "0.0.0.0:" + std::to_string(server.port()), "--auth", "required"})
            .of("address")
            .find("is in use") != std::string::npos);
  const std::string one = "127.0.0.1:" + std::to_string(test::free_port());
  CHECK(doctor(env, {"--listen", one, "--admin-listen", one}).of("admin") ==
        "failed: " + one + " is in use by another program");
}

TEST_CASE("doctor warns where a server without credentials could be reached from other machines") {
  const test::database db;
  const test::environment env{{"DATABASE_URL", db.url()}, {"REDIS_URL", "none"}};
  for (const std::string listen : {"0.0.0.0:0", "[::]:0"}) {
    CAPTURE(listen);
    const auto open = doctor(env, {"--listen", listen, "--allow-insecure-listen", "--admin-listen", listen});
    CHECK(open.of("access") ==
          "warning: everybody who reaches " + listen + " (every address of this machine): --auth is off");
    CHECK(open.of("admin").starts_with("warning: " + listen + " is free, and shows /metrics"));
    CHECK(doctor(env, {"--listen", listen, "--auth", "required"}).of("access") == "warning: 0 server keys in force");
  }
  const test::environment nowhere{{"DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none"}, {"REDIS_URL", "none"}};
  CHECK(doctor(nowhere, {"--listen", "0.0.0.0:0", "--allow-insecure-listen"}).of("access").starts_with("warning: "));
}

TEST_CASE("doctor refuses settings that serve would refuse") {
  const auto run = test::run_coffer({"doctor", "--threads", "0"});
  CHECK(run.exit_code == 2);
  CHECK(run.err.find("--threads '0' is not valid") != std::string::npos);
}
