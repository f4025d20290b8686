// What pages in browsers can do: nothing without leave, and with it what players' tokens allow.
#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/credentials.hpp"
#include "support/shop.hpp"

using namespace coffer;
using test::bearer;
using test::make_key;
using test::with_auth;

namespace {

constexpr const char* page = "https://shop.example";

test::header_list from_page(test::header_list more = {}) {
  more.emplace_back("Origin", page);
  return more;
}

bool lists(const test::http_response& answer, const std::string& header, const std::string& item) {
  return (", " + answer.header(header).value_or("") + ",").find(", " + item + ",") != std::string::npos;
}

}  // namespace

TEST_CASE("a page of a named origin may ask, send a token and read the answer, errors too") {
  test::database db;
  const test::server_process server{db, with_auth({{"COFFER_CORS_ORIGINS", page}})};
  auto client = server.client();
  const auto asked =
      client.request("OPTIONS", "/users/1/add-funds",
                     from_page({{"Access-Control-Request-Method", "POST"},
                                {"Access-Control-Request-Headers", "authorization,content-type,idempotency-key"}}));
  CHECK(asked.status == 204);
  CHECK(asked.header("Access-Control-Allow-Origin") == page);
  CHECK(asked.header("Vary") == "Origin");
  CHECK(asked.header("Access-Control-Max-Age") == "7200");
  CHECK(!asked.header("Access-Control-Allow-Credentials"));
  for (const char* method : {"GET", "POST", "PATCH", "DELETE"}) {
    CHECK(lists(asked, "Access-Control-Allow-Methods", method));
  }
  for (const char* header : {"Authorization", "Content-Type", "Idempotency-Key", "If-None-Match"}) {
    CHECK(lists(asked, "Access-Control-Allow-Headers", header));
  }
  const auto key = bearer(make_key(db, "catalog:read catalog:write"));
  for (const auto& answer : {client.get("/products", from_page(key)), client.get("/products", from_page()),
                             client.get("/users/1", from_page(key)), client.get("/nowhere", from_page()),
                             client.request("PUT", "/products", from_page()), client.get("/livez", from_page())}) {
    CAPTURE(answer.head);
    CHECK(answer.header("Access-Control-Allow-Origin") == page);
    CHECK(answer.header("Vary") == "Origin");
    for (const char* header :
         {"ETag", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed", "X-Request-Id"}) {
      CHECK(lists(answer, "Access-Control-Expose-Headers", header));
    }
  }
  test::header_list large = from_page(key);
  const auto too_large = client.request("POST", "/products", large, std::string(100'000, ' '));
  CHECK(too_large.status == 413);
  CHECK(too_large.header("Access-Control-Allow-Origin") == page);
  test::header_list stranger = key;
  stranger.emplace_back("Origin", "https://evil.example");
  const auto refused = client.get("/products", stranger);
  CHECK(!refused.header("Access-Control-Allow-Origin"));
  CHECK(refused.header("Vary") == "Origin");
}

TEST_CASE("without leave no page may read, and a preflight is an unknown method") {
  test::shop s;
  const auto asked = s.client.request("OPTIONS", "/products", from_page({{"Access-Control-Request-Method", "POST"}}));
  CHECK(asked.status == 405);
  CHECK(!asked.header("Access-Control-Allow-Origin"));
  CHECK(!s.client.get("/products", from_page()).header("Vary"));
}

TEST_CASE("origins that are none, and origins without credentials, end the start") {
  const auto start = [](const test::environment& env) {
    const auto run = test::run_coffer({"serve"}, env);
    CHECK(run.exit_code == 2);
    return run.err;
  };
  CHECK(start(with_auth({{"COFFER_CORS_ORIGINS", "https://shop.example/"}})).find("without a slash") !=
        std::string::npos);
  CHECK(start({{"COFFER_CORS_ORIGINS", "*"}}).find("needs --auth required") != std::string::npos);
  CHECK(start({{"COFFER_ALLOWED_HOSTS", "a:80"}}).find("host names and IP addresses") != std::string::npos);
}

TEST_CASE("a server without credentials does nothing under a foreign name") {
  test::shop s;
  const auto buy_as = [&](const std::string& host) {
    return s.client.request("POST", fmt::format("/products/{}/purchase", s.product),
                            {{"Host", host}, {"Content-Type", "application/json"}},
                            fmt::format(R"({{"user_id":{}}})", s.user));
  };
  for (const char* host : {"evil.example", "evil.example:8080", "192.0.2.1", "127.0.0.1.evil.example"}) {
    CAPTURE(host);
    const auto refused = buy_as(host);
    CHECK(refused.status == 421);
    CHECK(refused.json()["code"] == "misdirected_request");
    CHECK(s.client.request("GET", "/products", {{"Host", host}}).status == 421);
  }
  CHECK(test::balance_of(s.client, s.user) == 1000);
  for (const char* host : {"localhost", "127.0.0.1:1", "[::1]:8080"}) {
    CAPTURE(host);
    CHECK(buy_as(host).status == 201);
  }
}

TEST_CASE("a server that asks for credentials answers under any name") {
  test::database db;
  const test::server_process server{db, with_auth()};
  CHECK(server.client().request("GET", "/livez", {{"Host", "shop.example"}}).status == 200);
}

TEST_CASE("what a page may send without asking changes nothing") {
  // The three types that need no preflight (Fetch standard, section 2.2.2).
  test::shop s;
  const std::string user = fmt::format("/users/{}", s.user);
  const std::string product = fmt::format("/products/{}", s.product);
  const auto before = s.client.get(user).json()["version"].integer();
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"}) {
    for (const std::string& path :
         {std::string{"/users"}, std::string{"/products"}, std::string{"/batch"}, std::string{"/grants/bulk"},
          std::string{"/keys"}, user + "/add-funds", user + "/grants", user + "/transactions/1/refund",
          product + "/purchase", product + "/use"}) {
      CAPTURE(type, path);
      test::header_list headers = test::key("page");
      headers.emplace_back("Content-Type", type);
      const auto answer = s.client.request("POST", path, headers, fmt::format(R"({{"user_id":{}}})", s.user));
      CHECK((answer.status == 415 || answer.json()["code"] == "invalid_idempotency_key"));
    }
  }
  CHECK(s.client.get(user).json()["version"] == before);
}
