// What counts as an attempt with wrong credentials, and what does not.
#include <fstream>

#include "support/catch.hpp"
#include "support/credentials.hpp"
#include "support/server_process.hpp"
#include "support/temporary_folder.hpp"
#include "support/token_maker.hpp"

using namespace coffer;
using test::bearer;
using test::with_auth;

namespace {

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
  CHECK(ask(g.maker.sign(test::claims_for(1))).status == 200);
}
