#include <thread>

#include "coffer/app/migrations.hpp"
#include "support/catch.hpp"
#include "support/database.hpp"
#include "support/process.hpp"
#include "support/server_process.hpp"

using namespace coffer;

namespace {

/// Asks /readyz until it answers with `status` (a look counts for a second); gives the last answer.
test::http_response readyz(const test::server_process& server, int status) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{15};
  for (;;) {
    test::http_response answer = server.client().get("/readyz");
    if (answer.status == status || std::chrono::steady_clock::now() >= end) {
      return answer;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
}

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

int healthcheck(const test::server_process& server) {
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + "/readyz";
  return test::run_coffer({"healthcheck", "--url", url}).exit_code;
}

}  // namespace

TEST_CASE("a server whose schema is missing, newer or older is alive, not ready, and names the next command") {
  test::database db = test::database::empty();
  // Each thread looks for itself, so that two would answer differently for a second.
  test::server_process server{db, {{"COFFER_THREADS", "1"}}};
  auto answer = readyz(server, 503);
  CHECK(answer.status == 503);
  CHECK(says(answer.body, "no schema yet"));
  CHECK(says(answer.body, "coffer migrate up"));
  CHECK(server.client().get("/livez").status == 200);
  CHECK(healthcheck(server) == 1);

  REQUIRE(test::run_coffer({"migrate", "up"}, {{"DATABASE_URL", db.url()}}).exit_code == 0);
  CHECK(readyz(server, 200).status == 200);
  CHECK(healthcheck(server) == 0);

  db.query("insert into schema_migrations values ('99990101000000')");
  answer = readyz(server, 503);
  CHECK(answer.status == 503);
  CHECK(says(answer.body, "99990101000000"));

  db.query("delete from schema_migrations where version = $1", {app::built_in_migrations().back().version});
  // Until the next look the answer is still the one about the newer schema.
  std::this_thread::sleep_for(std::chrono::milliseconds{1200});
  answer = readyz(server, 503);
  CHECK(answer.status == 503);
  CHECK(says(answer.body, "older than this binary"));
  CHECK(server.stop() == 0);
}
