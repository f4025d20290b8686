// The limits that show in how a body is framed and in how a client takes its time, over real connections.
#include <sys/socket.h>

#include <chrono>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

const std::string fields = "Host: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::size_t block_limit = 16 * 1024;

std::string chunked(const std::string& framed) { return "POST /users HTTP/1.1\r\n" + fields + framed; }

std::string chunk(const std::string& data, const std::string& extension = "") {
  return fmt::format("{:x}{}\r\n{}\r\n", data.size(), extension, data);
}

std::string user() {
  const auto word = test::unique_word("framed");
  return fmt::format(R"({{"username":"{}","email":"{}@example.com"}})", word, word);
}

std::string padded_user(std::size_t size) {
  const std::string body = user();
  return body + std::string(size - body.size(), ' ');
}

std::string trailers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += fmt::format("X-{}: 1\r\n", i);
  }
  return text;
}

struct framing {
  const char* what;
  std::string request;
  int status;
  const char* code;
};

/// What a purchase of a user whose row is held waits for.
class held_row {
 public:
  explicit held_row(const test::shop& s) : session_{s.db.url()} {
    session_.query("begin");
    session_.query("select 1 from users where id = $1 for update", {std::to_string(s.user)});
  }
  void release() { session_.query("rollback"); }

 private:
  test::sql_session session_;
};

std::string purchase(const test::shop& s) {
  const auto body = fmt::format(R"({{"user_id":{}}})", s.user);
  return fmt::format(
      "POST /products/{}/purchase HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: "
      "{}\r\n\r\n{}",
      s.product, body.size(), body);
}

}  // namespace

TEST_CASE("chunked bodies are served at their limits and refused beyond them") {
  test::shop s;
  const std::size_t extension = block_limit - fields.size();
  const std::vector<framing> table = {
      {"a body at its limit", chunked(chunk(padded_user(block_limit)) + "0\r\n\r\n"), 201, ""},
      {"a body beyond it", chunked(chunk(padded_user(block_limit + 1))), 413, "content_too_large"},
      {"a body beyond it in two chunks", chunked(chunk(padded_user(block_limit)) + chunk(" ")), 413,
       "content_too_large"},
      {"an extension at the limit of the header block",
       chunked(chunk(user(), ";" + std::string(extension - 1, 'e')) + "0\r\n\r\n"), 201, ""},
      {"an extension beyond it", chunked(chunk(user(), ";" + std::string(extension, 'e')) + "0\r\n\r\n"), 431,
       "header_fields_too_large"},
      {"trailers that make a hundred fields", chunked(chunk(user()) + "0\r\n" + trailers(97) + "\r\n"), 201, ""},
      {"one more", chunked(chunk(user()) + "0\r\n" + trailers(98) + "\r\n"), 431, "header_fields_too_large"},
  };
  for (const framing& f : table) {
    CAPTURE(f.what);
    auto client = s.server.client();
    client.connect();
    client.send_raw(f.request);
    const auto answer = client.read_response();
    CHECK(answer.status == f.status);
    CHECK(answer.code() == f.code);
    CHECK(answer.header("Connection") == (f.status == 201 ? std::nullopt : std::optional<std::string>{"close"}));
  }
}

TEST_CASE("a body that is too long is not invited") {
  test::shop s;
  auto client = s.server.client();
  client.connect();
  client.send_raw("POST /users HTTP/1.1\r\nHost: h\r\nContent-Length: 16385\r\nExpect: 100-continue\r\n\r\n");
  const auto answer = client.read_response();
  CHECK(answer.status == 413);
  CHECK(answer.code() == "content_too_large");
  CHECK(answer.header("Connection") == "close");
}

TEST_CASE("a head or a body that stays away is a problem that names it, and the connection ends") {
  test::shop s{{{"COFFER_HEADER_TIMEOUT", "200ms"}, {"COFFER_BODY_TIMEOUT", "200ms"}}};
  for (const std::string& begun : {std::string{"GET /livez HTTP/1.1\r\n"}, chunked("2\r\n{")}) {
    CAPTURE(begun);
    auto client = s.server.client();
    client.connect();
    client.send_raw(begun);
    const auto answer = client.read_response();
    CHECK(answer.status == 408);
    CHECK(answer.code() == "request_timeout");
    CHECK(answer.header("Connection") == "close");
    CHECK(client.closed_within(5s));
  }
}

TEST_CASE("a client that takes no answers is reset, and others are served meanwhile") {
  test::shop s{{{"COFFER_WRITE_TIMEOUT", "300ms"}}};
  auto slow = s.server.client();
  slow.connect();
  const int little = 4096;
  ::setsockopt(slow.native(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
  std::string requests;
  for (int i = 0; i < 400; ++i) {
    requests += "GET /openapi.json HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  slow.send_raw(requests);
  const std::string series = R"(coffer_http_timeouts_total{kind="write"})";
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (s.server.metric(series).value_or(0) < 1 && std::chrono::steady_clock::now() < end) {
    REQUIRE(s.client.get("/livez").status == 200);
  }
  CHECK(s.server.metric(series) == 1);
}

TEST_CASE("a batch may take as long as the statement timeout and the deadline allow") {
  test::shop s{{{"COFFER_DATABASE_STATEMENT_TIMEOUT", "8s"}, {"COFFER_REQUEST_TIMEOUT", "15s"}}};
  s.db.query(
      "create function slow() returns trigger language plpgsql as"
      " $$ begin perform pg_sleep(3.5); return null; end $$");
  s.db.query("create trigger slow before insert on transactions for each statement execute function slow()");
  s.client.set_timeout(20s);
  CHECK(test::buy(s.client, s.user, s.product, 1, "slow").status == 201);
  CHECK(s.db.integer("select count(*) from transactions where idempotency_key = 'slow'") == 1);
  CHECK_FALSE(s.server.metric("coffer_lane_unknown_outcomes_total{settled=\"committed\"}").value_or(0) > 0);
}

TEST_CASE("a request that waits for a row ends with 503 at its deadline") {
  test::shop s{{{"COFFER_REQUEST_TIMEOUT", "300ms"}}};
  held_row row{s};
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = s.buy();
  CHECK(std::chrono::steady_clock::now() - begin < 3s);
  CHECK(answer.status == 503);
  CHECK(answer.header("Content-Type") == "application/problem+json");
  row.release();
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("while one request runs a client cannot send ahead without limit, and what it sent is answered") {
  test::shop s{{{"COFFER_REQUEST_TIMEOUT", "30s"},
                {"COFFER_DATABASE_STATEMENT_TIMEOUT", "20s"},
                {"COFFER_DATABASE_LOCK_TIMEOUT", "20s"}}};
  held_row row{s};
  auto client = s.server.client();
  client.connect();
  client.send_raw(purchase(s));
  const std::string head = "GET /livez HTTP/1.1\r\nHost: h\r\nX: ";
  const std::string one = head + std::string(8 * 1024 - head.size() - 4, 'x') + "\r\n\r\n";
  constexpr std::size_t most = 64 << 20;
  std::size_t taken = 0;
  for (ssize_t size = 1; size > 0 && taken < most;) {
    const std::string_view rest = std::string_view{one}.substr(taken % one.size());
    size = ::send(client.native(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    taken += size > 0 ? static_cast<std::size_t>(size) : 0;
  }
  CHECK(taken < most);
  row.release();
  CHECK(client.read_response().status == 201);
  std::size_t answered = 0;
  for (; answered < taken / one.size(); ++answered) {
    if (client.read_response().status != 200) {
      break;
    }
  }
  CHECK(answered == taken / one.size());
}
