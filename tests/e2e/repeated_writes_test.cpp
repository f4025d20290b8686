// The Idempotency section of the contract for the writes that are not in the journal, and finding users by name.
#include <set>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/credentials.hpp"
#include "support/fault_proxy.hpp"
#include "support/parallel.hpp"
#include "support/pg_environment.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

/// A write, another request for the same key, and the SQL that counts what it has made.
struct request {
  const char* method;
  std::string path;
  std::string body;
  std::string other_path;
  std::string other_body;
  int status;
  const char* effects;
};

/// For a database with one product (1) and two keys (1 and 2), of which the second may go.
const std::vector<request>& writes() {
  static const std::vector<request> all = {
      {"POST", "/users", R"({"username":"ada","email":"ada@example.com"})", "/users",
       R"({"username":"bob","email":"ada@example.com"})", 201, "select count(*) from users"},
      {"POST", "/products", R"({"name":"Boost","price":5,"type":"consumable","stock":3})", "/products",
       R"({"name":"Boost","price":5,"type":"consumable"})", 201, "select count(*) - 1 from products"},
      {"PATCH", "/products/1", R"({"stock":100})", "/products/1", R"({"stock":null})", 200,
       "select supply / 100 from product_stock where product_id = 1"},
      {"POST", "/keys", R"({"name":"shop","scopes":"catalog:read inventory:read"})", "/keys",
       R"({"name":"shop","scopes":"catalog:read"})", 201, "select count(*) - 2 from api_keys"},
      {"DELETE", "/keys/2", "", "/keys/1", "", 200, "select count(*) from api_keys where revoked_at is not null"}};
  return all;
}

class fixture {
 public:
  explicit fixture(const test::environment& extra = {}) : server{db, extra}, client{server.client()} {
    db.query("insert into products (id, name, price, type) values (nextval('product_ids'), 'first', 1, 1)");
    test::make_key(db, "admin");
    test::make_key(db, "catalog:read");
  }

  test::http_response ask(const request& w, const std::optional<std::string>& key, bool other = false) {
    return ask(client, w, key, other);
  }
  static test::http_response ask(test::http_client& by, const request& w, const std::optional<std::string>& key,
                                 bool other = false) {
    test::header_list headers = key ? test::key(*key) : test::header_list{};
    const std::string& body = other ? w.other_body : w.body;
    if (!body.empty()) {
      headers.emplace_back("Content-Type", "application/json");
    }
    return by.request(w.method, other ? w.other_path : w.path, headers, body);
  }

  test::database db;
  test::server_process server;
  test::http_client client;
};

/// The body without what is shown once.
std::string lasting(const test::http_response& answer) {
  std::string body = answer.body;
  if (const auto at = body.find("\"key\":\"cof_"); at != std::string::npos) {
    body.replace(at, body.find(',', at) - at, "\"key\":null");
  }
  return body;
}

std::int64_t stock_of(test::http_client& client, std::int64_t product) {
  return client.get(fmt::format("/products/{}", product)).json()["stock"].integer();
}

}  // namespace

TEST_CASE("every write outside the journal happens once under its key, and is answered the same again") {
  fixture f;
  for (const request& w : writes()) {
    CAPTURE(w.method, w.path);
    const std::string key = fmt::format("{}-{}", w.method, w.path);
    const auto first = f.ask(w, key);
    REQUIRE(first.status == w.status);
    CHECK(!test::replayed(first));
    CHECK(f.db.integer(w.effects) == 1);
    const auto again = f.ask(w, "\"" + key + "\"");
    CHECK(test::replayed(again));
    CHECK(again.status == first.status);
    CHECK(again.body == lasting(first));
    CHECK(again.header("Location") == first.header("Location"));
    CHECK(again.header("Content-Type") == first.header("Content-Type"));
    const auto reused = f.ask(w, key, true);
    CHECK(reused.status == 422);
    CHECK(reused.code() == "idempotency_key_reused");
    CHECK(f.db.integer(w.effects) == 1);
    for (const std::string& bad : {std::string{"a b"}, std::string(256, 'k'), std::string{"\"open"}}) {
      CHECK(f.ask(w, bad, true).code() == "invalid_idempotency_key");
    }
    CHECK(f.db.integer(w.effects) == 1);
  }
  REQUIRE(f.server.stop() == 0);
  f.server.restart();
  auto after = f.server.client();
  for (const request& w : writes()) {
    CHECK(test::replayed(fixture::ask(after, w, fmt::format("{}-{}", w.method, w.path))));
    CHECK(f.db.integer(w.effects) == 1);
  }
  // One key in another operation is another request.
  CHECK(fixture::ask(after, writes()[1], "POST-/users").code() == "idempotency_key_reused");
}

TEST_CASE("a refusal that was decided is replayed, what was not decided leaves the key free") {
  fixture f;
  const auto product = [&](const std::string& name, const std::string& key) {
    return f.client.post("/products", fmt::format(R"({{"name":"{}","price":1,"type":"consumable"}})", name),
                         test::key(key));
  };
  REQUIRE(product("Boost", "one").status == 201);
  const auto refused = product("boost", "two");
  REQUIRE(refused.code() == "name_taken");
  const auto renamed =
      f.client.request("PATCH", "/products/2", {{"Content-Type", "application/json"}}, R"({"name":"Other"})");
  REQUIRE(renamed.status == 200);
  const auto again = product("boost", "two");
  CHECK(test::replayed(again));
  CHECK(again.status == 409);
  CHECK(again.body == refused.body);
  CHECK(again.header("Content-Type") == "application/problem+json");
  CHECK(product("boost", "three").status == 201);

  const auto change = [&](const std::string& path, const std::string& body) {
    return f.client.request("PATCH", path, {{"Content-Type", "application/json"}, {"Idempotency-Key", "free"}}, body);
  };
  CHECK(change("/products/999", R"({"price":7})").status == 404);
  CHECK(change("/products/1", R"({"price":-7})").status == 422);
  CHECK(change("/products/1", "{").status == 400);
  const auto done = change("/products/1", R"({"price":7})");
  CHECK(done.status == 200);
  CHECK(!test::replayed(done));
  CHECK(f.client.request("DELETE", "/keys/999", test::key("gone")).status == 404);
  CHECK(f.client.request("DELETE", "/keys/2", test::key("gone")).status == 200);
  const auto user = R"({"username":"ada","email":"ada@example.com"})";
  REQUIRE(f.client.post("/users", user).status == 201);
  const auto taken = f.client.post("/users", user, test::key("u"));
  CHECK(taken.code() == "username_taken");
  CHECK(f.client.post("/users", user, test::key("u")).body == taken.body);
  CHECK(f.db.integer("select count(*) from request_keys where status is null") == 0);
}

TEST_CASE("setting a stock again under its key does not restock what was sold meanwhile") {
  test::shop shop;
  const std::string path = fmt::format("/products/{}", shop.product);
  const auto restock = [&] {
    return shop.client.request("PATCH", path, {{"Content-Type", "application/json"}, {"Idempotency-Key", "restock"}},
                               R"({"stock":100})");
  };
  const auto first = restock();
  REQUIRE(first.status == 200);
  REQUIRE(shop.buy(30).status == 201);
  const auto again = restock();
  CHECK(test::replayed(again));
  CHECK(again.body == first.body);
  CHECK(stock_of(shop.client, shop.product) == 70);
  CHECK(test::audit(shop.db) == "");
}

TEST_CASE("a repetition of POST /keys says which key was made, so that it can be revoked, and not its text") {
  fixture f;
  const auto first = f.ask(writes()[3], "lost");
  const auto again = f.ask(writes()[3], "lost");
  REQUIRE(first.json()["key"].text().starts_with("cof_live_"));
  CHECK(again.json()["key"].is_null());
  CHECK(again.json()["id"] == first.json()["id"].integer());
  CHECK(f.client.request("DELETE", again.header("Location").value_or("")).status == 200);
  CHECK(f.db.integer("select count(*) from request_keys where body like '%cof\\_live\\_%'") == 0);
}

TEST_CASE("twins of a write outside the journal wait for the first, in one process and in two") {
  fixture f;
  const test::server_process other{f.db};
  const request& w = writes()[0];
  const auto answers = test::parallel_map(8, [&](std::size_t i) {
    auto client = i % 2 == 0 ? f.server.client() : other.client();
    return fixture::ask(client, w, "twin");
  });
  std::set<std::string> bodies;
  int again = 0;
  for (const auto& answer : answers) {
    CHECK(answer.status == 201);
    bodies.insert(answer.body);
    again += test::replayed(answer) ? 1 : 0;
  }
  CHECK(bodies.size() == 1);
  CHECK(again == 7);
  CHECK(f.db.integer(w.effects) == 1);
}

TEST_CASE("a write outside the journal whose commit was lost on the way is looked up") {
  const test::server_address at = test::database_address();
  test::fault_proxy proxy{at.host, at.port};
  test::database db;
  const test::server_process server{db, {{"DATABASE_URL", test::url_with(db.url(), proxy.keywords())}}};
  auto client = server.client();
  const bool happened = GENERATE(true, false);
  CAPTURE(happened);
  proxy.inject(happened ? test::fault_point::before_completion : test::fault_point::before_statement, "COMMIT",
               test::fault_action::cut);
  const auto first = fixture::ask(client, writes()[0], "k");
  CHECK(first.status == 201);
  CHECK(!test::replayed(first));
  CHECK(proxy.wait_injected(1));
  const auto again = fixture::ask(client, writes()[0], "k");
  CHECK(test::replayed(again));
  CHECK(again.body == first.body);
  CHECK(db.integer("select count(*) from users") == 1);
  // Without a key nobody can ask, and nothing is sent twice.
  proxy.inject(test::fault_point::before_completion, "COMMIT", test::fault_action::cut);
  const auto unkeyed = client.post("/users", R"({"username":"bob","email":"bob@example.com"})");
  CHECK(unkeyed.code() == "outcome_unknown");
}

TEST_CASE("users are found by name or by address, one at a time") {
  test::database db;
  const test::server_process server{db};
  auto client = server.client();
  const auto made = client.post("/users", R"({"username":"Ada_1","email":"Ada+x@Example.com"})");
  REQUIRE(made.status == 201);
  const std::string page = fmt::format(R"({{"items":[{}],"next_cursor":null}})", made.body);
  for (const char* query : {"username=Ada_1", "username=ada_1", "username=ADA_1", "email=Ada%2Bx%40Example.com",
                            "email=ada%2bx@example.com", "username=&email=ada%2bx@example.com"}) {
    CAPTURE(query);
    const auto answer = client.get(fmt::format("/users?{}", query));
    CHECK(answer.status == 200);
    CHECK(answer.body == page);
  }
  for (const char* query : {"username=ada", "username=ada_1%20", "username=%25", "email=example.com", "email=Ada_1"}) {
    CAPTURE(query);
    const auto answer = client.get(fmt::format("/users?{}", query));
    CHECK(answer.status == 200);
    CHECK(answer.body == R"({"items":[],"next_cursor":null})");
  }
  for (const char* query :
       {"", "?", "?username=", "?username=a&email=b", "?username=a&username=b", "?id=1", "?username=a&limit=5"}) {
    CAPTURE(query);
    const auto answer = client.get(fmt::format("/users{}", query));
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid_parameter");
  }
}
