// Servers and commands behind a real PgBouncer, in session mode and in transaction mode.
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include <asio/detached.hpp>

#include "coffer/net/asio.hpp"
#include "coffer/net/task.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/parallel.hpp"
#include "support/pg_environment.hpp"
#include "support/pooler.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// A database, a pooler in front of its server, and the settings of a coffer behind both.
struct pooled {
  explicit pooled(const std::string& mode, const char* prepared, const std::string& more = {})
      : pool{mode, more}, url{pool.url(db.name())} {
    how = {{"DATABASE_URL", url}, {"COFFER_PREPARED", prepared}, {"COFFER_THREADS", "1"}};
  }

  test::outcome run(std::vector<std::string> command) { return test::run_coffer(std::move(command), how); }
  /// What `coffer doctor` says of a subject: the grade and the finding.
  std::string doctor(std::string_view subject) {
    const auto report = test::json_value::parse(run({"doctor", "--format", "json", "--listen", "127.0.0.1:0"}).out);
    for (const auto& each : report["findings"].elements()) {
      if (each["subject"] == subject) {
        return each["grade"].text() + ": " + each["detail"].text();
      }
    }
    return {};
  }

  test::database db;
  test::pooler pool;
  std::string url;
  test::environment how;
};

/// Passes on what comes to a port of its own, both ways, so much later.
class distance {
 public:
  distance(std::string socket, std::chrono::milliseconds later) : target_{std::move(socket)}, later_{later} {
    asio::co_spawn(context_, accept(), asio::detached);
    thread_ = std::jthread{[this] { context_.run(); }};
  }
  distance(const distance&) = delete;
  distance& operator=(const distance&) = delete;
  ~distance() { context_.stop(); }

  [[nodiscard]] std::uint16_t port() const { return listener_.local_endpoint().port(); }

 private:
  using tcp = asio::ip::tcp;
  using local = asio::local::stream_protocol;

  net::task<> accept() {
    for (;;) {
      auto [failure, near] = co_await listener_.async_accept(net::as_tuple);
      if (failure) {
        co_return;
      }
      const auto here = std::make_shared<tcp::socket>(std::move(near));
      const auto there = std::make_shared<local::socket>(context_);
      there->connect(local::endpoint{target_});
      asio::co_spawn(context_, pass(here, there), asio::detached);
      asio::co_spawn(context_, pass(there, here), asio::detached);
    }
  }

  template <typename From, typename To>
  net::task<> pass(std::shared_ptr<From> from, std::shared_ptr<To> to) {
    std::array<char, 16'384> bytes{};
    for (;;) {
      const auto [failure, count] = co_await from->async_read_some(asio::buffer(bytes), net::as_tuple);
      if (failure) {
        to->close();
        co_return;
      }
      co_await net::sleep_for(later_);
      const auto [refusal, written] = co_await asio::async_write(*to, asio::buffer(bytes.data(), count), net::as_tuple);
      if (refusal || written < count) {
        co_return;
      }
    }
  }

  std::string target_;
  std::chrono::milliseconds later_;
  asio::io_context context_{1};
  tcp::acceptor listener_{context_, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
  std::jthread thread_;
};

}  // namespace

TEST_CASE("behind a pooler in session mode a server works as in front of PostgreSQL itself") {
  pooled p{"session", "on"};
  CHECK(p.run({"migrate", "up"}).exit_code == 0);
  test::server_process server{p.db, p.how};
  auto client = server.client();
  CHECK(client.get("/readyz").status == 200);
  const auto user = test::make_user(client, 100);
  const auto product = test::make_product(client, "consumable", 1);
  CHECK(test::buy(client, user, product, 2, "k").status == 201);
  CHECK(test::buy(client, user, product, 2, "k").header("idempotent-replayed") == "true");
  CHECK(test::owned_units(client, user, product) == 2);
  CHECK(p.doctor("pooler") == "ok: one in session mode");
  CHECK(p.doctor("timeouts") == "ok: statement 2000 ms, lock 1000 ms, idle in transaction 3000 ms");
  CHECK(p.run({"verify"}).exit_code == 0);
  CHECK(test::audit(p.db) == "");
}

TEST_CASE("with prepared statements behind a pooler in transaction mode a server is not ready, and says what to do") {
  pooled p{"transaction", "on"};
  test::server_process server{p.db, p.how};
  const auto answer = server.client().get("/readyz");
  CHECK(answer.status == 503);
  CHECK(test::says(answer.body, "--prepared off"));
  CHECK(p.doctor("pooler") == "failed: one in transaction mode");
  const auto migrated = p.run({"migrate", "up"});
  CHECK(migrated.exit_code == 1);
  CHECK(test::says(migrated.err, "name PostgreSQL itself"));
}

TEST_CASE("a pooler in transaction mode is found whichever session it lends next") {
  // In turn, so that a session's own comes back to it after one transaction of another.
  pooled p{"transaction", "on", "server_round_robin = 1"};
  {
    test::sql_session one{p.url};
    test::sql_session two{p.url};
    one.query("begin");
    two.query("begin");
    one.query("rollback");
    two.query("rollback");
  }
  CHECK(p.doctor("pooler") == "failed: one in transaction mode");
}

TEST_CASE("a server is ready behind a pooler that is far away") {
  pooled p{"session", "on"};
  const distance between{p.pool.socket(), 15ms};
  p.how["DATABASE_URL"] = test::url_with(p.url, {{"host", "127.0.0.1"}, {"port", std::to_string(between.port())}});
  test::server_process server{p.db, p.how};
  CHECK(test::eventually(10s, [&] { return server.client().get("/readyz").status == 200; }));
}

TEST_CASE("behind a pooler in transaction mode every transaction has its time limits") {
  pooled p{"transaction", "off"};
  p.how["COFFER_DATABASE_LOCK_TIMEOUT"] = "300ms";
  p.how["COFFER_LANES"] = "1";
  test::server_process server{p.db, p.how};
  auto client = server.client();
  CHECK(client.get("/readyz").status == 200);
  CHECK(p.doctor("pooler") == "ok: one in transaction mode");
  CHECK(p.doctor("timeouts") == "ok: statement 2000 ms, lock 300 ms, idle in transaction 3000 ms");
  const auto held = test::make_user(client, 100);
  const auto free = test::make_user(client, 100);
  const auto product = test::make_product(client, "consumable", 1);
  {
    test::held_row row{p.db, held};
    const auto answers = test::parallel_map(6, [&](std::size_t i) {
      auto own = server.client();
      return test::buy(own, i % 2 == 0 ? held : free, product, 1).status;
    });
    CHECK(answers == std::vector<int>{503, 201, 503, 201, 503, 201});
    // Nobody waits for the row any more: no backend was left behind.
    CHECK(p.db.integer("select count(*) from pg_stat_activity where datname = current_database()"
                       " and wait_event_type = 'Lock'") == 0);
    row.release();
  }
  CHECK(test::buy(client, held, product, 1).status == 201);
  // Commands leave nothing behind in the sessions that others are lent.
  CHECK(p.run({"verify"}).exit_code == 0);
  CHECK(p.run({"key", "list"}).exit_code == 0);
  test::sql_session next{p.url};
  CHECK(next.text("show statement_timeout") == "0");
  CHECK(next.text("show default_transaction_read_only") == "off");
  CHECK(test::audit(p.db) == "");
}

TEST_CASE("a database URL that libpq cannot use ends the start, and names the part without the password") {
  const std::pair<const char*, const char*> wrong[] = {
      {"postgresql://me:s3cr3t@127.0.0.1/d?pgbouncer=true", "\"pgbouncer\""},
      {"postgresql://me:s3cr3t@127.0.0.1/d?schema=public", "\"schema\""},
      {"\"postgresql://me:s3cr3t@127.0.0.1/d\"", "quotation mark"},
      {"postgresql://me:s3cr3t@127.0.0.1/d?sslmode=always", "sslmode"}};
  for (const auto& [url, part] : wrong) {
    for (const char* command : {"serve", "doctor", "verify", "seed"}) {
      CAPTURE(url, command);
      const auto run = test::run_coffer({command}, {{"DATABASE_URL", url}});
      CHECK(run.exit_code == 2);
      CHECK(test::says(run.err, "DATABASE_URL is not valid"));
      CHECK(test::says(run.err, part));
      CHECK(!test::says(run.out + run.err, "s3cr3t"));
    }
  }
}

TEST_CASE("a database that is not UTF8 is refused by migrate, doctor and readyz") {
  const test::database name_giver = test::database::empty();
  const std::string name = name_giver.name() + "_latin";
  test::sql_session server{test::required_env("DATABASE_URL")};
  server.query("create database " + name + " encoding 'LATIN1' locale 'C' template template0");
  const test::environment how{{"DATABASE_URL", test::with_database(test::required_env("DATABASE_URL"), name)},
                              {"REDIS_URL", "none"},
                              {"COFFER_LISTEN", "127.0.0.1:0"},
                              {"COFFER_ADMIN_LISTEN", "127.0.0.1:0"},
                              {"COFFER_LOG_FORMAT", "json"}};
  {
    const auto migrated = test::run_coffer({"migrate", "up"}, how);
    CHECK(migrated.exit_code == 1);
    CHECK(test::says(migrated.err, "has the encoding LATIN1"));
    const auto examined = test::run_coffer({"doctor"}, how);
    CHECK(examined.exit_code == 1);
    CHECK(test::says(examined.out, "failed  encoding     LATIN1"));
    test::server_process running{how};
    const auto answer = running.client().get("/readyz");
    CHECK(answer.status == 503);
    CHECK(test::says(answer.body, "encoding 'UTF8' template template0"));
  }
  server.query("drop database " + name + " with (force)");
}
