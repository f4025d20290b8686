// What counts as an attempt with wrong credentials, and what does not.
#include <algorithm>
#include <fstream>
#include <future>
#include <thread>

#include <fmt/format.h>

#include "coffer/auth/api_key.hpp"
#include "support/catch.hpp"
#include "support/credentials.hpp"
#include "support/eventually.hpp"
#include "support/parallel.hpp"
#include "support/shop.hpp"
#include "support/temporary_folder.hpp"
#include "support/token_maker.hpp"

using namespace coffer;
using test::bearer;
using test::make_key;
using test::with_auth;

namespace {

constexpr std::size_t crowd = 200;

/// Keys that are made after the start of a server with these stay unknown to it until they are used.
test::environment hears_nothing_of_new_keys(const char* attempts) {
  return with_auth({{"COFFER_KEY_REFRESH", "60s"},
                    {"COFFER_LIMIT_CREDENTIALS", attempts},
                    {"COFFER_DATABASE_LOCK_TIMEOUT", "2s"},
                    {"COFFER_THREADS", "2"}});
}

/// Whether the server has read the keys that there are, which it does beside its first requests.
bool has_read_keys(const test::server_process& server) {
  return test::eventually(std::chrono::seconds{20}, [&] { return server.metric("coffer_auth_keys").has_value(); });
}

/// The statuses of that many first requests at once, each on a connection of its own.
std::vector<int> ask_at_once(const test::server_process& server, const test::header_list& headers) {
  return test::parallel_map(crowd, [&](std::size_t) {
    auto client = server.client();
    return client.get("/products", headers).status;
  });
}

std::ptrdiff_t count(const std::vector<int>& statuses, int status) {
  return std::count(statuses.begin(), statuses.end(), status);
}

/// How many keys that the database does not know are tried until one meets the limit; -1: none does.
int guesses_until_limited(test::http_client& client) {
  for (int guesses = 0; guesses < 1000; ++guesses) {
    if (client.get("/products", bearer(auth::make_key(auth::key_kind::live))).status == 429) {
      return guesses;
    }
  }
  return -1;
}

/// A server for players' tokens, and who signs them.
struct game {
  explicit game(const char* attempts) {
    const std::string file = (folder.path() / "keys.json").string();
    std::ofstream{file} << test::key_set(maker);
    server.emplace(db, with_auth({{"COFFER_JWT_KEYS", file},
                                  {"COFFER_JWT_ISSUER", "game"},
                                  {"COFFER_JWT_AUDIENCE", "coffer"},
                                  {"COFFER_LIMIT_CREDENTIALS", attempts}}));
  }

  test::database db;
  test::temporary_folder folder;
  test::token_maker maker{"ES256", "2026"};
  std::optional<test::server_process> server;
};

}  // namespace

TEST_CASE("a good key that a crowd uses for the first time is looked up once per thread, and is no attempt") {
  test::database db;
  const test::server_process server{db, hears_nothing_of_new_keys("address:60/1h")};
  REQUIRE(has_read_keys(server));
  const std::string key = make_key(db, "catalog:read");
  // The look-up notes the use of the key, and so waits for whoever holds its row.
  test::sql_session holder{db.url()};
  holder.query("begin; select * from api_keys for update");
  auto asking = std::async(std::launch::async, [&] { return ask_at_once(server, bearer(key)); });
  const auto waiting = [&] {
    return db.integer(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        " and query like 'update api_keys%'");
  };
  REQUIRE(test::eventually(std::chrono::seconds{20}, [&] { return waiting() > 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds{500});  // more would come now
  const std::int64_t look_ups = waiting();
  holder.query("commit");
  const std::vector<int> statuses = asking.get();
  CHECK(count(statuses, 200) == crowd);
  CHECK(look_ups >= 1);
  CHECK(look_ups <= 2);
  auto client = server.client();
  CHECK(guesses_until_limited(client) == 60);
  CHECK(client.get("/products", bearer(key)).status == 200);
}

TEST_CASE("a look-up that fails is no attempt, and everybody who waited for it hears of the failure") {
  test::database db;
  const test::server_process server{db, hears_nothing_of_new_keys("address:60/1h")};
  REQUIRE(has_read_keys(server));
  const std::string key = make_key(db, "catalog:read");
  db.query("alter table api_keys rename to api_keys_away");
  const std::vector<int> statuses = ask_at_once(server, bearer(key));
  CHECK(std::all_of(statuses.begin(), statuses.end(), [](int status) { return status >= 500; }));
  db.query("alter table api_keys_away rename to api_keys");
  auto client = server.client();
  CHECK(client.get("/products", bearer(key)).status == 200);
  CHECK(guesses_until_limited(client) == 60);
}

TEST_CASE("a crowd with a wrong key is slowed down, and learns nothing") {
  test::database db;
  const test::server_process server{db, hears_nothing_of_new_keys("address:60/1h")};
  const auto wrong = bearer(auth::make_key(auth::key_kind::live));
  for (int round = 0; round < 2; ++round) {
    const std::vector<int> statuses = ask_at_once(server, wrong);
    CHECK(count(statuses, 401) + count(statuses, 429) == crowd);
    CHECK((round == 0 || count(statuses, 429) > 0));
  }
  auto client = server.client();
  CHECK(client.get("/products", wrong).status == 429);
}

TEST_CASE("a token out of its time is refused however often it comes, and a forged one is an attempt") {
  game g{"address:5/1h"};
  auto client = g.server->client();
  const auto ask = [&](const std::string& token) { return client.get("/products", bearer(token)); };
  const std::string expired = g.maker.sign(test::claims_for(1, "", -3600));
  const std::string early = g.maker.sign(test::claims_for(1, R"(,"nbf":32503680000)"));
  const auto refused_as_token = [&](const std::string& token) {
    const auto answer = ask(token);
    return answer.status == 401 &&
           answer.header("WWW-Authenticate") == "Bearer realm=\"coffer\", error=\"invalid_token\"";
  };
  for (int i = 0; i < 20; ++i) {
    CHECK(refused_as_token(expired));
    CHECK(refused_as_token(early));
    CHECK(refused_as_token(g.maker.sign(test::claims_for(i + 1, "", -3600))));  // never seen before
  }
  const test::token_maker forger{"ES256", "2026"};
  int forged = 0;
  while (forged < 100 && ask(forger.sign(test::claims_for(1, "", -3600))).status == 401) {
    ++forged;
  }
  CHECK(forged == 5);
  CHECK(refused_as_token(expired));
}

TEST_CASE("beyond the limit on attempts no signature is checked, and tokens that were seen before still work") {
  game g{"address:5/1h"};
  auto client = g.server->client();
  const auto status_of = [&](const std::string& token) { return client.get("/products", bearer(token)).status; };
  const std::string known = g.maker.sign(test::claims_for(1));
  CHECK(status_of(known) == 200);
  const test::token_maker forger{"ES256", "2026"};
  for (int i = 0; i < 50; ++i) {
    CHECK(status_of(forger.sign(test::claims_for(i + 1))) == (i < 5 ? 401 : 429));
  }
  CHECK(g.server->metric(R"(coffer_auth_events_total{event="token_checked"})") == 6.0);
  CHECK(g.server->metric(R"(coffer_auth_events_total{event="token_verified"})") == 1.0);
  CHECK(status_of(known) == 200);
  CHECK(status_of(g.maker.sign(test::claims_for(2))) == 429);  // whether it is a guess is not looked at
}
