// Who asked: the actor of every journal row, and the keys of players and of servers, which do not meet.
#include <fstream>
#include <map>
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/credentials.hpp"
#include "support/eventually.hpp"
#include "support/shop.hpp"
#include "support/temporary_folder.hpp"
#include "support/token_maker.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// A server that asks for credentials, with an operator's key and a player with 100 credits, given by that key.
class guarded_shop {
 public:
  guarded_shop() {
    std::ofstream{file_} << test::key_set(maker_);
    test::environment how = test::with_auth(test::patient_settings());
    how.insert({{"COFFER_JWT_KEYS", file_}, {"COFFER_JWT_ISSUER", "game"}, {"COFFER_JWT_AUDIENCE", "coffer"}});
    server.emplace(db, std::move(how));
    const std::string text = test::make_key(db, "admin");
    key_id = db.integer("select max(id) from api_keys");
    by_key = test::bearer(text);
    auto client = server->client();
    user = client.post("/users", R"({"username":"ada","email":"ada@example.com"})", by_key).json()["id"].integer();
    product =
        client.post("/products", R"({"name":"Boost","price":60,"type":"consumable"})", by_key).json()["id"].integer();
    by_player = test::bearer(maker_.sign(test::claims_for(user)));
    if (fund(100, "funds").status != 201) {
      throw std::runtime_error{"the player got no funds"};
    }
  }

  test::http_response fund(std::int64_t amount, const std::string& key) {
    return ask("POST", fmt::format("/users/{}/add-funds", user), by_key, fmt::format(R"({{"amount":{}}})", amount),
               key);
  }
  test::http_response buy(const test::header_list& as, const std::string& key = {}) {
    return ask("POST", fmt::format("/products/{}/purchase", product), as, fmt::format(R"({{"user_id":{}}})", user),
               key);
  }
  test::http_response grant(const std::string& key, std::int64_t credits = -40) {
    return ask("POST", fmt::format("/users/{}/grants", user), by_key,
               fmt::format(R"({{"credits":{},"reason":"season 4"}})", credits), key);
  }
  test::http_response outcome(const test::header_list& as, const std::string& key) {
    return ask("GET", fmt::format("/users/{}/operations/{}", user, key), as);
  }
  test::http_response list(const std::string& query) {
    return ask("GET", fmt::format("/users/{}/transactions{}", user, query), by_key);
  }
  test::http_response ask(const std::string& method, const std::string& path, test::header_list as,
                          const std::string& body = {}, const std::string& key = {}) {
    if (!key.empty()) {
      as.emplace_back("Idempotency-Key", key);
    }
    if (!body.empty()) {
      as.emplace_back("Content-Type", body.ends_with('\n') ? "application/x-ndjson" : "application/json");
    }
    return server->client().request(method, path, as, body);
  }

  std::string key_actor() const { return fmt::format(R"({{"key":{}}})", key_id); }
  std::string player_actor() const { return fmt::format(R"({{"player":{}}})", user); }

  test::database db;
  std::optional<test::server_process> server;
  std::int64_t key_id = 0;
  std::int64_t user = 0;
  std::int64_t product = 0;
  test::header_list by_key;
  test::header_list by_player;

 private:
  test::temporary_folder folder_;
  test::token_maker maker_{"EdDSA", "2026"};
  std::string file_ = (folder_.path() / "keys.json").string();
};

std::string versions_of(const test::http_response& page) {
  REQUIRE(page.status == 200);
  const test::json_value body = page.json();
  std::string all;
  for (const test::json_value& item : body["items"].elements()) {
    all += std::to_string(item["version"].integer()) + " ";
  }
  return all;
}

}  // namespace

TEST_CASE("every row says who asked for it, wherever it is shown") {
  guarded_shop shop;
  const auto bought = shop.buy(shop.by_player, "mine");
  REQUIRE(bought.status == 201);
  CHECK(bought.json()["transaction"]["actor"].dump() == shop.player_actor());
  const auto refused = shop.buy(shop.by_key, "theirs");
  REQUIRE(refused.status == 402);
  const auto batch = shop.ask("POST", "/batch", shop.by_player,
                              fmt::format(R"({{"user_id":{0},"operations":[{{"op":"use","product_id":{1}}},)"
                                          R"({{"op":"purchase","product_id":{1},"idempotency_key":"b"}}]}})",
                                          shop.user, shop.product));
  REQUIRE(batch.status == 200);
  const test::json_value outcomes = batch.json();
  const auto& operations = outcomes["operations"];
  CHECK(operations[0]["receipt"]["transaction"]["actor"].dump() == shop.player_actor());
  CHECK(operations[1]["transaction"]["actor"].dump() == shop.player_actor());
  const auto bulk =
      shop.ask("POST", "/grants/bulk", shop.by_key,
               fmt::format("{{\"user_id\":{},\"credits\":1,\"reason\":\"x\",\"idempotency_key\":\"g\"}}\n", shop.user));
  REQUIRE(bulk.status == 200);
  CHECK(bulk.body.find(fmt::format(R"("actor":{})", shop.key_actor())) != std::string::npos);

  const std::map<int, std::string> expected = {{1, shop.key_actor()},    {2, shop.player_actor()},
                                               {3, shop.key_actor()},    {4, shop.player_actor()},
                                               {5, shop.player_actor()}, {6, shop.key_actor()}};
  for (const auto& [version, actor] : expected) {
    CAPTURE(version);
    const auto row = shop.ask("GET", fmt::format("/users/{}/transactions/{}", shop.user, version), shop.by_player);
    CHECK(row.json()["actor"].dump() == actor);
  }
  const auto statement = shop.ask("GET", fmt::format("/users/{}/statement", shop.user), shop.by_key).json();
  const auto page = shop.list("").json();
  const auto csv = shop.ask("GET", fmt::format("/users/{}/statement?format=csv", shop.user), shop.by_key).body;
  CHECK(csv.substr(0, csv.find("\r\n")).ends_with(",missing,note_public,actor"));
  for (const auto& [version, actor] : expected) {
    CAPTURE(version);
    const auto place = static_cast<std::size_t>(version);
    CHECK(statement["items"][place - 1]["actor"].dump() == actor);
    CHECK(page["items"][expected.size() - place]["actor"].dump() == actor);
    const auto line = csv.find(fmt::format("\r\n{},", version)) + 2;
    const std::string spelled = actor == shop.key_actor() ? fmt::format("key:{}", shop.key_id) : "player";
    CHECK(csv.substr(line, csv.find("\r\n", line) - line).ends_with("," + spelled));
  }
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("a replay names who asked first, and without authentication nobody is named") {
  guarded_shop shop;
  const std::string other = test::make_key(shop.db, "admin");
  const auto first = shop.grant("g");
  REQUIRE(first.status == 201);
  const auto again = shop.ask("POST", fmt::format("/users/{}/grants", shop.user), test::bearer(other),
                              R"({"credits":-40,"reason":"season 4"})", "g");
  CHECK(test::replayed(again));
  CHECK(again.body == first.body);
  const test::server_process open{shop.db};
  auto client = open.client();
  const auto bought = test::buy(client, shop.user, shop.product);
  REQUIRE(bought.status == 201);
  CHECK(bought.json()["transaction"]["actor"].is_null());
  CHECK(versions_of(shop.list("?actor=none")) == "3 ");
  // To a server without authentication the key is the server's still.
  CHECK(test::replayed(client.post(fmt::format("/users/{}/grants", shop.user), R"({"credits":-40,"reason":"season 4"})",
                                   test::key("g"))));
}

TEST_CASE("a history is filtered by who asked") {
  guarded_shop shop;
  REQUIRE(shop.buy(shop.by_player).status == 201);
  REQUIRE(shop.grant("g", 5).status == 201);
  REQUIRE(shop.buy(shop.by_player).status == 402);
  CHECK(versions_of(shop.list("?actor=player")) == "4 2 ");
  CHECK(versions_of(shop.list(fmt::format("?actor=key:{}", shop.key_id))) == "3 1 ");
  CHECK(versions_of(shop.list(fmt::format("?actor=key:{}&kind=grant", shop.key_id))) == "3 ");
  CHECK(versions_of(shop.list("?actor=key:99")).empty());
  CHECK(versions_of(shop.list("?actor=none")).empty());
  CHECK(versions_of(shop.list("?actor=")) == "4 3 2 1 ");
  const auto first = shop.list("?actor=player&limit=1");
  const std::string cursor = first.json()["next_cursor"].text();
  CHECK(versions_of(shop.list("?actor=player&limit=1&cursor=" + cursor)) == "2 ");
  CHECK(shop.list("?actor=none&limit=1&cursor=" + cursor).code() == "invalid_cursor");
  for (const char* wrong :
       {"key:", "key:0", "key:-1", "key:01", "key:x", "key:9007199254740992", "Player", "1", "null"}) {
    CAPTURE(wrong);
    const auto answer = shop.list(fmt::format("?actor={}", wrong));
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid_parameter");
    CHECK(answer.json()["errors"][0]["pointer"] == "actor");
  }
}

TEST_CASE("a player's key does not disturb the same key of an operator, in either order, nor after a restart") {
  guarded_shop shop;
  const bool player_first = GENERATE(true, false);
  CAPTURE(player_first);
  const std::string predictable = "season-4-user-17";
  REQUIRE(shop.buy(shop.by_player).status == 201);
  test::http_response refused, granted;
  if (player_first) {
    refused = shop.buy(shop.by_player, predictable);
    granted = shop.grant(predictable);
  } else {
    granted = shop.grant(predictable, -40);
    refused = shop.buy(shop.by_player, predictable);
  }
  CHECK(refused.status == 402);
  CHECK(!test::replayed(refused));
  CHECK(granted.status == 201);
  CHECK(!test::replayed(granted));
  const auto check_replays = [&] {
    const auto refused_again = shop.buy(shop.by_player, predictable);
    CHECK(test::replayed(refused_again));
    CHECK(refused_again.body == refused.body);
    const auto granted_again = shop.grant(predictable);
    CHECK(test::replayed(granted_again));
    CHECK(granted_again.body == granted.body);
    // Whoever asks is told of the keys of his own kind.
    CHECK(shop.outcome(shop.by_player, predictable).json()["problem"].dump() == refused.json().dump());
    CHECK(shop.outcome(shop.by_key, predictable).json()["receipt"].dump() == granted.json().dump());
    CHECK(shop.outcome(shop.by_player, "funds").code() == "transaction_not_found");
    // Another request under the key is refused within its kind alone.
    CHECK(shop.buy(shop.by_key, predictable).code() == "idempotency_key_reused");
  };
  check_replays();
  REQUIRE(shop.server->stop() == 0);
  shop.server->restart();
  check_replays();
  CHECK(shop.db.integer("select count(*) from transactions where idempotency_key = $1", {predictable}) == 2);
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("twins of one key in flight wait for those of their kind alone") {
  guarded_shop shop;
  test::http_response bought[2], granted[2];
  {
    // Both kinds share a batch, or follow each other, behind the user's row.
    test::held_row row{shop.db, shop.user};
    std::jthread players[2];
    std::jthread servers[2];
    for (int i = 0; i < 2; ++i) {
      players[i] = std::jthread{[&shop, &answer = bought[i]] { answer = shop.buy(shop.by_player, "twin"); }};
      servers[i] = std::jthread{[&shop, &answer = granted[i]] { answer = shop.grant("twin", 7); }};
    }
    REQUIRE(row.is_waited_for());
    const auto pending = [&](const test::header_list& as) {
      return test::eventually(500ms, [&] { return shop.outcome(as, "twin").code() == "idempotency_in_progress"; });
    };
    CHECK(pending(shop.by_player));
    CHECK(pending(shop.by_key));
    CHECK(shop.outcome(shop.by_key, "other").code() == "transaction_not_found");
    row.release();
  }
  for (const auto* pair : {bought, granted}) {
    CHECK(pair[0].status == 201);
    CHECK(pair[0].body == pair[1].body);
    CHECK(test::replayed(pair[0]) != test::replayed(pair[1]));
  }
  CHECK(shop.db.integer("select count(*) from transactions where idempotency_key = 'twin'") == 2);
  CHECK(test::audit(shop.db) == "");
}
