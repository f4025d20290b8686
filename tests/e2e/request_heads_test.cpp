// What a head alone decides is answered before the body is there, and what is left of the body is taken for nothing
// else.
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/credentials.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

struct head {
  int status;
  std::string line;
  std::string fields;
};

std::string bytes_of(const head& h, const std::string& framing) {
  return h.line + " HTTP/1.1\r\nHost: h\r\n" + h.fields + framing + "\r\n\r\n";
}

const std::string json = "Content-Type: application/json\r\n";

/// Heads that are refused, by a server whose key `good` may only purchase, and has done so as often as it may.
std::vector<head> refused_heads(const std::string& good) {
  const std::string with_key = "Authorization: Bearer " + good + "\r\n";
  return {{401, "POST /users/1/add-funds", json},
          {401, "POST /grants/bulk", "Authorization: Bearer cof_live_wrong\r\nContent-Type: application/x-ndjson\r\n"},
          {403, "POST /users/1/add-funds", with_key + json},
          {404, "POST /nowhere", with_key + json},
          {405, "POST /users/1", with_key + json},
          {415, "POST /batch", with_key + "Content-Type: text/plain\r\n"},
          {429, "POST /products/1/purchase", with_key + json}};
}

class closed_shop {
 public:
  closed_shop() { client.post("/products/1/purchase", "{}", test::bearer(good)); }

  test::database db;
  test::server_process server{db, test::with_auth({{"COFFER_LIMIT_PURCHASE", "key:1/1h"}})};
  std::string good = test::make_key(db, "purchases:write");
  test::http_client client{server.client()};
};

/// A body that is a request, if it is taken for one.
std::string disguised(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n"; }

}  // namespace

TEST_CASE("a head that is refused is answered before its body is sent, and the connection ends when that is large") {
  closed_shop s;
  for (const head& h : refused_heads(s.good)) {
    CAPTURE(h.status, h.line);
    s.client.connect();
    s.client.send_raw(bytes_of(h, "Content-Length: 1000000"));
    const auto answer = s.client.read_response();
    CHECK(answer.status == h.status);
    CHECK(answer.header("Connection") == "close");
    s.client.close();
  }
}

TEST_CASE("a refused head keeps its connection, and its small body is taken for nothing else") {
  closed_shop s;
  const std::string body = disguised("/livez");
  for (const head& h : refused_heads(s.good)) {
    for (const bool chunked : {false, true}) {
      CAPTURE(h.status, h.line, chunked);
      s.client.connect();
      s.client.send_raw(
          bytes_of(h, chunked ? "Transfer-Encoding: chunked" : fmt::format("Content-Length: {}", body.size())));
      CHECK(s.client.read_response().status == h.status);
      s.client.send_raw(chunked ? fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", body.size(), body) : body);
      s.client.send_raw("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
      const auto next = s.client.read_response();
      CHECK(next.status == 200);
      CHECK(next.json().contains("database"));
      s.client.close();
    }
  }
}

TEST_CASE("a body that arrives with its refused head is skipped, byte by byte and with what follows it") {
  closed_shop s;
  const std::string body = disguised("/livez");
  const std::string all =
      bytes_of({401, "POST /users/1/add-funds", json}, fmt::format("Content-Length: {}", body.size())) + body +
      "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
  for (const std::size_t step : {all.size(), std::size_t{1}, std::size_t{97}}) {
    CAPTURE(step);
    s.client.connect();
    for (std::size_t i = 0; i < all.size(); i += step) {
      s.client.send_raw(std::string_view{all}.substr(i, step));
    }
    CHECK(s.client.read_response().status == 401);
    CHECK(s.client.read_response().json().contains("database"));
    s.client.close();
  }
}

TEST_CASE("a client that waits to be told to go on is refused instead, and its connection ends") {
  closed_shop s;
  s.client.connect();
  s.client.send_raw(bytes_of({401, "POST /users/1/add-funds", json}, "Content-Length: 10\r\nExpect: 100-continue"));
  const auto answer = s.client.read_response();
  CHECK(answer.status == 401);
  CHECK(answer.header("Connection") == "close");
}

TEST_CASE("a refused body that is malformed or has no end is read no further than a body may be long") {
  closed_shop s;
  for (const std::string& framing : {std::string{"zz\r\n"}, fmt::format("{:x}\r\n", 1'000'000)}) {
    CAPTURE(framing);
    s.client.connect();
    s.client.send_raw(bytes_of({401, "POST /users/1/add-funds", json}, "Transfer-Encoding: chunked"));
    CHECK(s.client.read_response().status == 401);
    s.client.send_raw(framing);
    CHECK(s.client.closed_within(5s));
    s.client.close();
  }
}

TEST_CASE("a body that is wanted is refused for its size when the request is let in") {
  test::shop s;
  s.client.connect();
  s.client.send_raw(
      bytes_of({413, fmt::format("POST /products/{}/purchase", s.product), json}, "Content-Length: 1000000"));
  const auto answer = s.client.read_response();
  CHECK(answer.status == 413);
  CHECK(answer.code() == "content_too_large");
  CHECK(answer.header("Connection") == "close");
  CHECK(s.server.metric("coffer_http_requests_total{http_request_method=\"POST\",http_response_status_code=\"413\","
                        "http_route=\"/products/{product_id}/purchase\"}") == 1);
}

TEST_CASE("no route takes a query parameter that it does not know") {
  test::shop s;
  std::size_t seen = 0;
  const test::json_value document = s.client.get("/openapi.json").json();
  for (const auto& [path, item] : document["paths"].members()) {
    std::string target = path;
    for (std::size_t open = target.find('{'); open != std::string::npos; open = target.find('{')) {
      target.replace(open, target.find('}') - open + 1, "1");
    }
    for (const auto& [method, what] : item.members()) {
      CAPTURE(method, target);
      std::string verb = method;
      std::transform(verb.begin(), verb.end(), verb.begin(), [](char c) { return static_cast<char>(c - 32); });
      const bool has_body = what.contains("requestBody");
      const bool lines = has_body && !what["requestBody"]["content"].contains("application/json");
      const test::header_list headers = {{"Content-Type", lines ? "application/x-ndjson" : "application/json"}};
      const auto refused = s.client.request(verb, target + "?surprise=1", headers,
                                            has_body ? std::optional<std::string_view>{"{}"} : std::nullopt);
      CHECK(refused.status == 400);
      CHECK(refused.code() == "invalid_parameter");
      CHECK(refused.body.find(R"("pointer":"surprise","code":"unknown_parameter")") != std::string::npos);
      ++seen;
    }
  }
  CHECK(seen > 30);
}
