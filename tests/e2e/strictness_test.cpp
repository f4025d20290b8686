// What the server refuses to parse, byte for byte over a real connection: a problem document, and nothing behind it is
// ever executed.
#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

struct refusal {
  const char* what;
  std::string request;
  int status;
};

const std::string host = "Host: h\r\n";

std::string get(const std::string& fields) { return "GET /livez HTTP/1.1\r\n" + fields + "\r\n"; }
std::string post(const std::string& fields, const std::string& body = "") {
  return "POST /users HTTP/1.1\r\n" + host + "Content-Type: application/json\r\n" + fields + "\r\n" + body;
}

std::string chunks(const std::string& framing) { return post("Transfer-Encoding: chunked\r\n", framing); }

const std::vector<refusal> refusals = {
    {"no Host", get(""), 400},
    {"two Hosts", get(host + host), 400},
    {"an empty Host", get("Host:\r\n"), 400},
    {"a Host with a space", get("Host: a b\r\n"), 400},
    {"a Host with a user", get("Host: u@h\r\n"), 400},
    {"a Host with a port out of range", get("Host: h:99999\r\n"), 400},
    {"Content-Length with Transfer-Encoding", post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "{}"), 400},
    {"Transfer-Encoding with Content-Length", post("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "{}"), 400},
    {"two different lengths", post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"), 400},
    {"a length list", post("Content-Length: 2, 2\r\n", "{}"), 400},
    {"a signed length", post("Content-Length: +2\r\n", "{}"), 400},
    {"an empty length", post("Content-Length:\r\n", "{}"), 400},
    {"a length beyond 64 bits", post("Content-Length: 18446744073709551618\r\n", "{}"), 413},
    {"a length that is no number", post("Content-Length: 2x\r\n", "{}"), 400},
    {"an unknown coding", post("Transfer-Encoding: gzip\r\n", "2\r\n{}\r\n0\r\n\r\n"), 501},
    {"chunked among others", post("Transfer-Encoding: gzip, chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), 501},
    {"chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), 400},
    {"an empty element before chunked", post("Transfer-Encoding: ,chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), 400},
    {"chunked in HTTP/1.0", "POST /users HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"a bare CR", get(host + "X-Abc:\rxTransfer-Encoding: chunked\r\n"), 400},
    {"a bare LF behind the request line", "GET /livez HTTP/1.1\n" + host + "\r\n", 400},
    {"a bare LF behind a field", get("Host: h\nX: a\r\n"), 400},
    {"a bare LF for the empty line", "GET /livez HTTP/1.1\r\n" + host + "\n", 400},
    {"a NUL in a value", get(host + std::string{"X: a\0b\r\n", 8}), 400},
    {"a NUL in the target", std::string{"GET /li\0vez HTTP/1.1\r\n", 23} + host + "\r\n", 400},
    {"a folded field", get(host + "X: a\r\n b\r\n"), 400},
    {"a space before the colon", get(host + "X : a\r\n"), 400},
    {"a bad chunk size", chunks("zz\r\n{}\r\n0\r\n\r\n"), 400},
    {"a negative chunk size", chunks("-2\r\n{}\r\n0\r\n\r\n"), 400},
    {"a chunk size in C", chunks("0x2\r\n{}\r\n0\r\n\r\n"), 400},
    {"a chunk size beyond 64 bits", chunks("fffffffffffffffff\r\n{}\r\n"), 400},
    {"a chunk without its line end", chunks("2\r\n{}xx0\r\n\r\n"), 400},
    {"a bare LF behind a chunk size", chunks("2\n{}\r\n0\r\n\r\n"), 400},
    {"a bare LF in a chunk extension", chunks("2;a\nb\r\n{}\r\n0\r\n\r\n"), 400},
    {"a bare LF behind the last chunk", chunks("2\r\n{}\r\n0\r\n\n"), 400},
    {"a bare CR behind the last chunk", chunks("2\r\n{}\r\n0\r\n\r"), 400},
    {"a chunk extension without a name", chunks("2;=b\r\n{}\r\n0\r\n\r\n"), 400},
    {"a chunk extension without a value", chunks("2;a=\r\n{}\r\n0\r\n\r\n"), 400},
    {"two Content-Types", post("Content-Length: 2\r\nContent-Type: application/json\r\n", "{}"), 400},
    {"a folded trailer", chunks("2\r\n{}\r\n0\r\nX: a\r\n b\r\n\r\n"), 400},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"an unknown version", "GET /livez HTTP/1.2\r\n" + host + "\r\n", 505},
    {"no version", "GET /livez\r\n\r\n", 400},
    {"an unknown method", "BREW /livez HTTP/1.1\r\n" + host + "\r\n", 501},
    {"an unknown expectation", post("Content-Length: 2\r\nExpect: tea\r\n", "{}"), 417},
};

const char* code_of(int status) {
  switch (status) {
    case 413:
      return "content_too_large";
    case 417:
      return "expectation_failed";
    case 501:
      return "not_implemented";
    case 505:
      return "http_version_not_supported";
    default:
      return "malformed_request";
  }
}

/// What would make a user if it were executed.
const std::string smuggled = post("Content-Length: 46\r\n", R"({"username":"mallory","email":"m@example.com"})");

void check_last_answer(test::http_client& client, int status) {
  const auto answer = client.read_response();
  CHECK(answer.status == status);
  CHECK(answer.code() == code_of(status));
  CHECK(answer.header("Content-Type") == "application/problem+json");
  CHECK(answer.header("Connection") == "close");
  CHECK(answer.header("X-Request-Id").has_value());
  CHECK(answer.json()["status"] == status);
  CHECK(client.closed_within(std::chrono::seconds{5}));
}

}  // namespace

TEST_CASE("a request that is not HTTP/1.1 to the letter is a problem, and the connection ends") {
  test::shop s;
  const auto users = s.db.integer("select count(*) from users");
  for (const refusal& r : refusals) {
    CAPTURE(r.what);
    auto client = s.server.client();
    client.connect();
    client.send_raw(r.request + smuggled);
    check_last_answer(client, r.status);
  }
  CHECK(s.db.integer("select count(*) from users") == users);
}

TEST_CASE("whatever is bad about a second request, the first is answered and a third is not executed") {
  test::shop s;
  const auto users = s.db.integer("select count(*) from users");
  for (const refusal& r : refusals) {
    CAPTURE(r.what);
    auto client = s.server.client();
    client.connect();
    client.send_raw(get(host + "X-Request-Id: the-first\r\n") + r.request + smuggled);
    const auto first = client.read_response();
    CHECK(first.status == 200);
    CHECK(first.header("X-Request-Id") == "the-first");
    CHECK_FALSE(first.header("Connection").has_value());
    check_last_answer(client, r.status);
  }
  CHECK(s.db.integer("select count(*) from users") == users);
}

TEST_CASE("a bad request behind a good one is refused after the good one's answer") {
  test::shop s;
  auto client = s.server.client();
  client.connect();
  const auto body = fmt::format(R"({{"user_id":{}}})", s.user);
  const auto purchase = fmt::format(
      "POST /products/{}/purchase HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: "
      "{}\r\n\r\n{}",
      s.product, body.size(), body);
  client.send_raw(purchase + get("") + purchase);
  CHECK(client.read_response().status == 201);
  CHECK(client.read_response().status == 400);
  CHECK(client.closed_within(std::chrono::seconds{5}));
  CHECK(s.db.integer("select count(*) from transactions where kind = 2") == 1);
}

TEST_CASE("methods, HEAD and targets are served as HTTP says") {
  test::shop s;
  for (const char* method : {"TRACE", "CONNECT", "DELETE"}) {
    CAPTURE(method);
    const auto answer = s.server.client().request(method, method == std::string{"CONNECT"} ? "h:1" : "/livez");
    CHECK(answer.status == 405);
    CHECK(answer.header("Allow").has_value());
    CHECK(answer.header("Content-Type") == "application/problem+json");
  }
  auto client = s.server.client();
  const auto target = fmt::format("/users/{}", s.user);
  const auto full = client.get(target);
  client.send_raw("HEAD " + target + " HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto head = client.read_response(true);
  CHECK(head.status == 200);
  CHECK(head.header("Content-Length") == full.header("Content-Length"));
  CHECK(client.get("/%75sers/" + std::to_string(s.user)).status == 200);
  CHECK(client.get("/%2575sers/" + std::to_string(s.user)).status == 404);
  CHECK(client.get("/users/" + std::to_string(s.user) + "/").status == 404);
  CHECK(client.get("/users/../livez").status == 404);
  const auto server = client.request("OPTIONS", "*");
  CHECK(server.status == 204);
  CHECK(server.header("Allow").value_or("").find("PATCH") != std::string::npos);
}

TEST_CASE("a body that is expected to continue is asked for, and one of another type is refused") {
  test::shop s;
  auto client = s.server.client();
  client.connect();
  const std::string body = R"({"username":"patient","email":"p@example.com"})";
  client.send_raw(post(fmt::format("Content-Length: {}\r\nExpect: 100-continue\r\n", body.size())));
  CHECK(client.read_response().status == 100);
  client.send_raw(body);
  CHECK(client.read_response().status == 201);
  const auto answer = client.post("/users", body, {{"Content-Type", "text/plain"}});
  CHECK(answer.status == 415);
  CHECK(answer.header("Content-Type") == "application/problem+json");
}

TEST_CASE("a body without its type, or with another, is refused with what the route takes") {
  test::shop s;
  const auto send = [&](const std::string& method, const std::string& path, const std::string& fields) {
    auto client = s.server.client();
    client.connect();
    client.send_raw(method + " " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n" + fields + "\r\n{}");
    return client.read_response();
  };
  const std::string product = fmt::format("/products/{}", s.product);
  struct route {
    std::string method;
    std::string path;
    std::string type;
  };
  const std::vector<route> routes = {{"POST", "/users", "application/json"},
                                     {"POST", "/products", "application/json"},
                                     {"PATCH", product, "application/json"},
                                     {"POST", product + "/purchase", "application/json"},
                                     {"POST", product + "/use", "application/json"},
                                     {"POST", fmt::format("/users/{}/grants", s.user), "application/json"},
                                     {"POST", "/batch", "application/json"},
                                     {"POST", "/keys", "application/json"},
                                     {"POST", "/grants/bulk", "application/x-ndjson"}};
  for (const route& r : routes) {
    for (const char* fields : {"", "Content-Type: text/plain\r\n", "Content-Type:\r\n",
                               "Content-Type: application/x-www-form-urlencoded\r\n"}) {
      CAPTURE(r.method, r.path, fields);
      const auto answer = send(r.method, r.path, fields);
      CHECK(answer.status == 415);
      CHECK(answer.code() == "unsupported_media_type");
      CHECK(answer.header("Accept") == r.type);
      CHECK(answer.header("Accept-Patch") == (r.method == "PATCH" ? std::optional{r.type} : std::nullopt));
    }
    // Several lines of a list are one list.
    const auto encoded = send(
        r.method, r.path, "Content-Type: " + r.type + "\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n");
    CHECK(encoded.status == 415);
    CHECK(encoded.header("Accept-Encoding") == "identity");
  }
}
