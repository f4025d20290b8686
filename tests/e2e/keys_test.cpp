// Server keys and players' tokens against the real server.
#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "coffer/auth/api_key.hpp"
#include "support/catch.hpp"
#include "support/credentials.hpp"
#include "support/eventually.hpp"
#include "support/raw_request.hpp"
#include "support/shop.hpp"
#include "support/temporary_folder.hpp"
#include "support/token_maker.hpp"

using namespace coffer;
using test::bearer;
using test::make_key;
using test::with_auth;

namespace {

/// Asks until the status is there: a refresh takes its time.
bool becomes(test::http_client& client, const test::header_list& headers, int status) {
  const std::chrono::milliseconds pause{25};
  return test::eventually(
      std::chrono::seconds{5}, [&] { return client.get("/products", headers).status == status; }, pause);
}

/// What each operation needs, as the contract of the keys has it; independent of the server's own table.
struct rule {
  const char* method;
  std::string path;
  std::string body;
  const char* scope;
  bool for_player;  ///< with a token of user 1
};

const std::vector<rule>& rules() {
  static const std::vector<rule> all = {
      {"POST", "/users", "{}", "funds:write", false},
      {"GET", "/users", "", "inventory:read", false},
      {"GET", "/users/1", "", "inventory:read", true},
      {"POST", "/users/1/add-funds", R"({"amount":1})", "funds:write", false},
      {"GET", "/users/1/inventory", "", "inventory:read", true},
      {"GET", "/users/1/transactions", "", "inventory:read", true},
      {"GET", "/users/1/transactions/1", "", "inventory:read", true},
      {"POST", "/users/1/transactions/1/refund", R"({"reason":"x"})", "refunds:write", false},
      {"POST", "/users/1/grants", R"({"credits":1,"reason":"x"})", "grants:write", false},
      {"GET", "/users/1/operations/k", "", "inventory:read", true},
      {"GET", "/users/1/statement", "", "inventory:read", true},
      {"POST", "/products", "{}", "catalog:write", false},
      {"GET", "/products", "", "catalog:read", true},
      {"GET", "/products/1", "", "catalog:read", true},
      {"PATCH", "/products/1", "{}", "catalog:write", false},
      {"POST", "/products/1/purchase", R"({"user_id":1})", "purchases:write", true},
      {"POST", "/products/1/use", R"({"user_id":1})", "inventory:write", true},
      {"POST", "/batch", R"({"user_id":1,"operations":[{"op":"purchase","product_id":1}]})", "purchases:write", true},
      {"POST", "/batch", R"({"user_id":1,"operations":[{"op":"use","product_id":1}]})", "inventory:write", true},
      {"POST", "/batch", R"({"user_id":1,"operations":[{"op":"add_funds","amount":1,"idempotency_key":"b"}]})",
       "funds:write", false},
      {"POST", "/batch", R"({"user_id":1,"operations":[{"op":"grant","credits":1,"reason":"x"}]})", "grants:write",
       false},
      {"POST", "/batch", R"({"user_id":1,"operations":[{"op":"refund","version":1,"reason":"x"}]})", "refunds:write",
       false},
      {"POST", "/grants/bulk", "", "grants:write", false},
      {"GET", "/analytics/popular-products", "", "analytics:read", false},
      {"GET", "/events", "", "events:read", false},
      {"POST", "/webhooks", "{}", "webhooks:write", false},
      {"GET", "/webhooks", "", "webhooks:write", false},
      {"GET", "/webhooks/999", "", "webhooks:write", false},
      {"PATCH", "/webhooks/999", "{}", "webhooks:write", false},
      {"DELETE", "/webhooks/999", "", "webhooks:write", false},
      {"POST", "/webhooks/999/rotate-secret", "", "webhooks:write", false},
      {"POST", "/webhooks/999/test", "", "webhooks:write", false},
      {"POST", "/webhooks/999/replay", "{}", "webhooks:write", false},
      {"GET", "/webhooks/999/deliveries", "", "webhooks:write", false},
      {"POST", "/keys", "{}", "keys:admin", false},
      {"GET", "/keys", "", "keys:admin", false},
      {"DELETE", "/keys/999", "", "keys:admin", false},
  };
  return all;
}

test::http_response ask(test::http_client& client, const rule& r, test::header_list headers,
                        const std::string& path = {}, const std::string& body = {}) {
  headers.emplace_back("Content-Type", r.path == "/grants/bulk" ? "application/x-ndjson" : "application/json");
  if (r.path.ends_with("add-funds")) {
    headers.emplace_back("Idempotency-Key", "k");
  }
  return client.request(r.method, path.empty() ? r.path : path, headers, body.empty() ? r.body : body);
}

bool let_in(const test::http_response& answer) {
  return answer.status != 401 && answer.status != 403 && answer.status != 429;
}

}  // namespace

TEST_CASE("every operation asks for its scope, and for nothing else") {
  test::database db;
  const test::server_process server{db, with_auth()};
  auto client = server.client();
  const std::string admin = make_key(db, "admin");
  const std::vector<std::string> scopes = {"purchases:write", "funds:write",   "inventory:read", "inventory:write",
                                           "catalog:read",    "catalog:write", "analytics:read", "refunds:write",
                                           "grants:write",    "keys:admin",    "events:read",    "webhooks:write",
                                           "admin:read"};
  std::map<std::string, std::string> keys;
  for (const std::string& scope : scopes) {
    keys[scope] = make_key(db, scope);
  }
  for (const rule& r : rules()) {
    CAPTURE(r.method, r.path, r.body);
    const auto nobody = ask(client, r, {});
    CHECK(nobody.status == 401);
    CHECK(nobody.header("WWW-Authenticate") == "Bearer realm=\"coffer\"");
    CHECK(nobody.json()["code"] == "unauthenticated");
    CHECK(let_in(ask(client, r, bearer(admin))));
    for (const auto& [scope, key] : keys) {
      CAPTURE(scope);
      const auto answer = ask(client, r, bearer(key));
      const bool enough = scope == r.scope || (scope == "admin:read" && r.method == std::string_view{"GET"});
      CHECK(let_in(answer) == enough);
      if (!enough) {
        CHECK(answer.status == 403);
        CHECK(answer.json()["code"] == "insufficient_scope");
        CHECK(answer.header("WWW-Authenticate") ==
              fmt::format("Bearer realm=\"coffer\", error=\"insufficient_scope\", scope=\"{}\"", r.scope));
      }
    }
  }
  CHECK(client.get("/livez").status == 200);
  CHECK(client.get("/openapi.json").status == 200);
  CHECK(client.get("/nowhere").status == 404);
  CHECK(client.request("PUT", "/products").status == 405);
}

TEST_CASE("the rules of this test cover every operation that asks for credentials") {
  test::database db;
  const test::server_process server{db, with_auth()};
  const auto document = server.client().get("/openapi.json").json();
  std::set<std::string> known;
  for (const rule& r : rules()) {
    known.insert(std::string{r.method} + " " + r.path);
  }
  std::set<std::string> guarded;
  const auto paths = document["paths"];
  for (const auto& [path, item] : paths.members()) {
    for (const auto& [method, operation] : item.members()) {
      if (operation["security"].size() > 0) {
        std::string concrete = path;
        for (const auto& [name, value] : std::map<std::string, std::string>{{"{user_id}", "1"},
                                                                            {"{product_id}", "1"},
                                                                            {"{version}", "1"},
                                                                            {"{idempotency_key}", "k"},
                                                                            {"{key_id}", "999"},
                                                                            {"{webhook_id}", "999"}}) {
          if (const auto at = concrete.find(name); at != std::string::npos) {
            concrete.replace(at, name.size(), value);
          }
        }
        std::string verb = method;
        std::transform(verb.begin(), verb.end(), verb.begin(), [](char c) { return static_cast<char>(c - 32); });
        guarded.insert(verb + " " + concrete);
      }
    }
  }
  CHECK(guarded == known);
}

TEST_CASE("a player's token touches its own user and no other, whether that exists or not") {
  test::database db;
  const test::temporary_folder folder;
  const test::token_maker maker{"ES256", "2026"};
  const std::string file = (folder.path() / "keys.json").string();
  std::ofstream{file} << test::key_set(maker);
  const test::server_process server{
      db, with_auth({{"COFFER_JWT_KEYS", file}, {"COFFER_JWT_ISSUER", "game"}, {"COFFER_JWT_AUDIENCE", "coffer"}})};
  auto client = server.client();
  const auto operator_key = bearer(make_key(db, "admin"));
  for (const char* name : {"one", "two"}) {
    const auto made =
        client.post("/users", fmt::format(R"({{"username":"{0}","email":"{0}@example.com"}})", name), operator_key);
    REQUIRE(made.status == 201);
  }
  const auto player = bearer(maker.sign(test::claims_for(1)));
  for (const rule& r : rules()) {
    CAPTURE(r.method, r.path, r.body);
    const auto own = ask(client, r, player);
    CHECK(let_in(own) == r.for_player);
    if (!r.for_player) {
      CHECK(own.status == 403);
      CHECK(own.json()["code"] == "forbidden");
    }
    const bool in_path = r.path.starts_with("/users/1");
    const bool in_body = r.body.find("\"user_id\":1") != std::string::npos;
    if (!r.for_player || (!in_path && !in_body)) {
      continue;
    }
    std::vector<std::string> refusals;
    for (const char* other : {"2", "3"}) {
      std::string path = r.path;
      std::string body = r.body;
      if (in_path) {
        path.replace(7, 1, other);
      } else {
        body.replace(body.find("\"user_id\":1") + 10, 1, other);
      }
      const auto answer = ask(client, r, player, path, body);
      CHECK(answer.status == 403);
      auto text = answer.json();
      CHECK(text["code"] == "forbidden");
      refusals.push_back(text["detail"].text());
    }
    CHECK(refusals[0] == refusals[1]);
  }
  CHECK(test::audit(db).empty());
}

TEST_CASE("a player sees an operator's note only if it is public") {
  test::database db;
  const test::temporary_folder folder;
  const test::token_maker maker{"ES256", "2026"};
  const std::string file = (folder.path() / "keys.json").string();
  std::ofstream{file} << test::key_set(maker);
  const test::server_process server{
      db, with_auth({{"COFFER_JWT_KEYS", file}, {"COFFER_JWT_ISSUER", "game"}, {"COFFER_JWT_AUDIENCE", "coffer"}})};
  auto client = server.client();
  const auto staff = bearer(make_key(db, "admin"));
  const auto player = bearer(maker.sign(test::claims_for(1)));
  REQUIRE(client.post("/users", R"({"username":"one","email":"one@example.com"})", staff).status == 201);
  const auto granted = [&](const std::string& more) {
    const auto answer =
        client.post("/users/1/grants", R"({"credits":5,"reason":"cheater, see case 7")" + more + "}", staff);
    REQUIRE(answer.status == 201);
    return answer.json()["transaction"];
  };
  const auto secret = granted("");
  CHECK(secret["note"] == "cheater, see case 7");
  CHECK(!secret["note_public"].boolean());
  const auto open = granted(R"(,"note_public":true)");
  CHECK(open["note_public"].boolean());
  REQUIRE(client.post("/users/1/transactions/2/refund", R"({"reason":"case 8"})", staff).status == 409);
  REQUIRE(client
              .post("/grants/bulk",
                    R"({"user_id":1,"credits":1,"reason":"gift","note_public":true,"idempotency_key":"b"})",
                    {staff[0], {"Content-Type", "application/x-ndjson"}})
              .status == 200);
  for (const char* path : {"/users/1/transactions", "/users/1/transactions/1", "/users/1/transactions/3",
                           "/users/1/statement", "/users/1/statement?format=csv"}) {
    CAPTURE(path);
    const auto seen = client.get(path, player);
    REQUIRE(seen.status == 200);
    const std::string what = client.get(path, staff).body;
    CHECK(seen.body.find("case 8") == std::string::npos);
    CHECK(seen.body.find("note_public\":") == std::string::npos);
    const bool single = std::string{path}.find("transactions/") != std::string::npos;
    CHECK((single || seen.body.find("cheater") != std::string::npos));
    CHECK((what.find("cheater") != std::string::npos || what.find("case 8") != std::string::npos));
  }
  CHECK(!client.get("/users/1/transactions/1", player).json().contains("note"));
  const auto page = client.get("/users/1/transactions", player).json()["items"];
  CHECK(page[0]["note"] == "gift");
  CHECK(page[2]["note"] == "cheater, see case 7");
  CHECK(!page[3].contains("note"));
  const auto lines = client.get("/users/1/statement", player).json()["items"];
  CHECK(lines[0]["note"].is_null());
  CHECK(lines[1]["note"] == "cheater, see case 7");
  CHECK(client.get("/users/1/statement?format=csv", staff).body.find(",true,key:") != std::string::npos);
}

TEST_CASE("token keys rotate with SIGHUP, and a broken file leaves the old ones in force") {
  test::database db;
  const test::temporary_folder folder;
  const test::token_maker old_key{"EdDSA", "old"};
  const test::token_maker new_key{"EdDSA", "new"};
  const std::string file = (folder.path() / "keys.json").string();
  std::ofstream{file} << test::key_set(old_key);
  test::server_process server{
      db, with_auth({{"COFFER_JWT_KEYS", file}, {"COFFER_JWT_ISSUER", "game"}, {"COFFER_JWT_AUDIENCE", "coffer"}})};
  auto client = server.client();
  const auto by_old = bearer(old_key.sign(test::claims_for(1)));
  const auto by_new = bearer(new_key.sign(test::claims_for(1)));
  CHECK(becomes(client, by_old, 200));
  CHECK(client.get("/products", by_new).status == 401);
  std::ofstream{file} << "{";
  server.signal(SIGHUP);
  const auto complaint = server.wait_for_event("token keys could not be reloaded");
  REQUIRE(complaint.has_value());
  CHECK(client.get("/products", by_old).status == 200);
  std::ofstream{file} << test::key_set(old_key, new_key);
  server.signal(SIGHUP);
  CHECK(becomes(client, by_new, 200));
  CHECK(client.get("/products", by_old).status == 200);
  std::ofstream{file} << test::key_set(new_key);
  server.signal(SIGHUP);
  CHECK(becomes(client, by_old, 401));
  CHECK(client.get("/products", by_new).status == 200);
}

TEST_CASE("a server does not start with token keys that it cannot use") {
  test::database db;
  const test::temporary_folder folder;
  const std::string file = (folder.path() / "keys.json").string();
  std::ofstream{file} << test::key_set(test::token_maker{"HS256", "k"});
  const auto run = test::run_coffer({"serve", "--listen", "127.0.0.1:0", "--admin-listen", "none"},
                                    with_auth({{"DATABASE_URL", db.url()},
                                               {"COFFER_JWT_KEYS", file},
                                               {"COFFER_JWT_ISSUER", "game"},
                                               {"COFFER_JWT_AUDIENCE", "coffer"}}));
  CHECK(run.exit_code == 1);
  CHECK((run.out + run.err).find("key 0: it is for HS256, which is not among the allowed algorithms") !=
        std::string::npos);
}

TEST_CASE("keys over HTTP: made, shown once, listed, revoked everywhere") {
  test::database db;
  const test::server_process server{db, with_auth()};
  const test::server_process other{db, with_auth()};
  auto client = server.client();
  const auto admin = bearer(make_key(db, "admin"));
  const auto made = client.post("/keys", R"({"name":"shop","scopes":"catalog:read inventory:read"})", admin);
  REQUIRE(made.status == 201);
  const auto body = made.json();
  const std::string key = body["key"].text();
  const std::string path = fmt::format("/keys/{}", body["id"].integer());
  CHECK(made.header("Location") == path);
  CHECK(body["scopes"] == "inventory:read catalog:read");
  CHECK(body["hint"] == key.substr(key.size() - 4));
  const auto listed = client.get("/keys", admin).json();
  CHECK(listed["items"].size() == 2);
  CHECK(listed["items"][0]["name"] == "shop");
  CHECK(client.get("/keys", admin).body.find(key) == std::string::npos);
  CHECK(db.sql().text(
            fmt::format("select count(*)::text from api_keys where encode(digest, 'escape') like '%{}%'", key)) == "0");
  auto elsewhere = other.client();
  CHECK(client.get("/products", bearer(key)).status == 200);
  CHECK(elsewhere.get("/products", bearer(key)).status == 200);
  const auto revoked = client.request("DELETE", path, admin);
  CHECK(revoked.status == 200);
  CHECK(!revoked.json()["revoked_at"].is_null());
  CHECK(client.request("DELETE", path, admin).json()["revoked_at"] == revoked.json()["revoked_at"]);
  CHECK(becomes(client, bearer(key), 401));
  CHECK(becomes(elsewhere, bearer(key), 401));
  CHECK(client.request("DELETE", "/keys/4711", admin).status == 404);
}

TEST_CASE("a key makes no key that may do more than itself") {
  test::database db;
  const test::server_process server{db, with_auth()};
  auto client = server.client();
  const auto keeper = bearer(make_key(db, "keys:admin purchases:write admin:read"));
  const auto wish = [&](const std::string& scopes) {
    return client.post("/keys", fmt::format(R"({{"name":"made","scopes":"{}"}})", scopes), keeper);
  };
  CHECK(wish("purchases:write keys:admin").status == 201);
  CHECK(wish("inventory:read catalog:read analytics:read").status == 201);
  for (const auto& [scopes, missing] :
       std::map<std::string, std::string>{{"admin", "admin"},
                                          {"purchases:write funds:write", "funds:write"},
                                          {"refunds:write", "refunds:write"},
                                          {"inventory:write", "inventory:write"}}) {
    CAPTURE(scopes);
    const auto refused = wish(scopes);
    CHECK(refused.status == 403);
    CHECK(refused.json()["code"] == "insufficient_scope");
    CHECK(refused.header("WWW-Authenticate").value_or("").find("scope=\"" + missing + "\"") != std::string::npos);
  }
  CHECK(client.get("/keys", bearer(make_key(db, "admin"))).json()["items"].size() == 4);
}

TEST_CASE("an upload ends with the key that began it, also long after its request's deadline") {
  const bool late = GENERATE(false, true);
  test::database db;
  const test::server_process server{
      db, with_auth(late ? test::environment{{"COFFER_REQUEST_TIMEOUT", "300ms"}, {"COFFER_KEY_REFRESH", "100ms"}}
                         : test::environment{})};
  auto client = server.client();
  const auto admin = bearer(make_key(db, "admin"));
  const std::string mine = make_key(db, "admin");
  const auto id = db.integer("select max(id) from api_keys");
  const auto made = client.post("/users", R"({"username":"gifted","email":"gifted@example.com"})", admin);
  REQUIRE(made.status == 201);
  const std::int64_t user = made.json()["id"].integer();
  const auto line = [user](const char* key) {
    return fmt::format(R"({{"user_id":{},"credits":7,"reason":"gift","idempotency_key":"{}"}})", user, key) + "\n";
  };
  auto upload = server.client();
  upload.connect();
  test::header_list fields = bearer(mine);
  fields.emplace_back("Content-Type", "application/x-ndjson");
  upload.send_raw(test::chunked_request("POST /grants/bulk", test::chunk(line("first")), fields));
  const auto granted = [&db] {
    return db.integer("select count(*) from transactions where idempotency_key = 'first'");
  };
  REQUIRE(test::eventually(std::chrono::seconds{2}, [&] { return granted() == 1; }));
  REQUIRE(client.request("DELETE", fmt::format("/keys/{}", id), admin).status == 200);
  if (late) {
    // Nobody asks for the key before the upload does, so that only the database can tell.
    std::this_thread::sleep_for(std::chrono::milliseconds{800});
  } else {
    REQUIRE(becomes(client, bearer(mine), 401));
  }
  upload.send_raw(test::chunk(line("second")) + "0\r\n\r\n");
  const auto answer = upload.read_response();
  CHECK(answer.status == 200);
  CHECK(answer.body.find(R"("line":1,"status":201)") != std::string::npos);
  CHECK(answer.body.find(R"("line":2,"status":401)") != std::string::npos);
  CHECK(answer.body.find(R"("complete":false)") != std::string::npos);
  CHECK(db.integer("select balance from users where id = $1", {std::to_string(user)}) == 7);
}

TEST_CASE("a request for a key with mistakes is told all of them") {
  test::database db;
  const test::server_process server{db};
  auto client = server.client();
  const auto answer = client.post("/keys", R"({"name":"","scopes":"all","expires_at":"2020-01-01T00:00:00Z","id":1})");
  CHECK(answer.status == 422);
  CHECK(answer.json()["errors"].size() == 2);  // the name and the member; the rest is looked at when these are right
  const auto late = client.post("/keys", R"({"name":"a","scopes":"all","expires_at":"2020-01-01T00:00:00Z"})").json();
  CHECK(late["errors"][0]["code"] == "unknown_scope");
  CHECK(late["errors"][1]["code"] == "after");
}

TEST_CASE("a key that expires stops working, and test keys work only where they may") {
  test::database db;
  const test::server_process strict{db, with_auth()};
  const test::server_process lenient{db, with_auth({{"COFFER_TEST_KEYS", "on"}})};
  auto client = strict.client();
  const std::string brief = make_key(db, "catalog:read", {"--expires-in", "2s"});
  CHECK(client.get("/products", bearer(brief)).status == 200);
  CHECK(becomes(client, bearer(brief), 401));
  const std::string test_key = make_key(db, "catalog:read", {"--test"});
  CHECK(test_key.starts_with("cof_test_"));
  CHECK(client.get("/products", bearer(test_key)).json()["detail"] == "This server does not accept test keys.");
  CHECK(lenient.client().get("/products", bearer(test_key)).status == 200);
}

TEST_CASE("the use of a key is on record, also after a short life of the server") {
  test::database db;
  const std::string key = make_key(db, "catalog:read");
  {
    test::server_process server{db, with_auth()};
    CHECK(server.client().get("/products", bearer(key)).status == 200);
    CHECK(server.stop() == 0);
  }
  CHECK(db.sql().text("select (last_used_at > now() - interval '1 minute')::text from api_keys") == "true");
  const auto run = test::run_coffer({"key", "list"}, {{"DATABASE_URL", db.url()}});
  CHECK(run.out.find("in force") != std::string::npos);
}

TEST_CASE("keys go on working while they cannot be read") {
  test::database db;
  const test::server_process server{db, with_auth()};
  auto client = server.client();
  const std::string key = make_key(db, "inventory:read");
  CHECK(client.get("/users/1/inventory", bearer(key)).status == 404);
  CHECK(becomes(client, bearer(key), 403));
  db.sql().query("alter table api_keys rename to api_keys_away");
  CHECK(client.get("/users/1/inventory", bearer(key)).status == 404);
  const auto unknown = client.get("/products", bearer(coffer::auth::make_key(coffer::auth::key_kind::live)));
  CHECK(unknown.status >= 500);
  db.sql().query("alter table api_keys_away rename to api_keys");
}

TEST_CASE("whoever guesses keys is slowed down by address, and known keys are not") {
  test::database db;
  const test::server_process server{db, with_auth({{"COFFER_LIMIT_CREDENTIALS", "address:5/1h"}})};
  auto client = server.client();
  const auto good = bearer(make_key(db, "catalog:read"));
  CHECK(client.get("/products", good).status == 200);
  int refused = 0;
  int limited = 0;
  for (int i = 0; i < 20; ++i) {
    const auto answer = client.get("/products", bearer("cof_live_guess"));
    refused += answer.status == 401 ? 1 : 0;
    limited += answer.status == 429 ? 1 : 0;
    if (answer.status == 429) {
      CHECK(answer.json()["code"] == "rate_limited");
      CHECK(answer.header("Retry-After").has_value());
      CHECK(answer.header("RateLimit-Policy") == "\"credentials-address\";q=5;w=3600");
    }
  }
  // The first look-up of the good key was no attempt.
  CHECK(refused == 5);
  CHECK(limited == 15);
  CHECK(client.get("/products", good).status == 200);
}
