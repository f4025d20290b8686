// The limits that show in how a body is framed and in how a client takes its time, over real connections.
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/raw_request.hpp"
#include "support/read_ahead.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

const std::string chunked_fields = "Host: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::size_t block_limit = 16 * 1024;

std::string chunked(const std::string& framed) { return "POST /users HTTP/1.1\r\n" + chunked_fields + framed; }

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

/// A purchase whose header block has that many bytes, or as many as it needs.
std::string purchase(const test::shop& s, std::int64_t user, std::size_t block = 0) {
  const auto body = fmt::format(R"({{"user_id":{}}})", user);
  const auto begin = fmt::format("Host: h\r\nContent-Type: application/json\r\nContent-Length: {}\r\nX: ", body.size());
  const std::string rest(std::max(block, begin.size() + 4) - begin.size() - 4, 'x');
  return fmt::format("POST /products/{}/purchase HTTP/1.1\r\n{}{}\r\n\r\n{}", s.product, begin, rest, body);
}

}  // namespace

TEST_CASE("chunked bodies are served at their limits and refused beyond them") {
  test::shop s;
  const std::size_t extension = block_limit - chunked_fields.size();
  const std::vector<framing> table = {
      {"a body at its limit", chunked(test::chunk(padded_user(block_limit)) + "0\r\n\r\n"), 201, ""},
      {"a body beyond it", chunked(test::chunk(padded_user(block_limit + 1))), 413, "content_too_large"},
      {"a body beyond it in two chunks", chunked(test::chunk(padded_user(block_limit)) + test::chunk(" ")), 413,
       "content_too_large"},
      {"an extension at the limit of the header block",
       chunked(test::chunk(user(), ";" + std::string(extension - 1, 'e')) + "0\r\n\r\n"), 201, ""},
      {"an extension beyond it", chunked(test::chunk(user(), ";" + std::string(extension, 'e')) + "0\r\n\r\n"), 431,
       "header_fields_too_large"},
      {"trailers that make a hundred fields", chunked(test::chunk(user()) + "0\r\n" + trailers(97) + "\r\n"), 201, ""},
      {"one more", chunked(test::chunk(user()) + "0\r\n" + trailers(98) + "\r\n"), 431, "header_fields_too_large"},
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
  client.send_raw(test::raw_request(
      "POST /users", {{"Content-Type", "application/json"}, {"Content-Length", "16385"}, {"Expect", "100-continue"}}));
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
    requests += test::raw_request("GET /openapi.json");
  }
  slow.send_raw(requests);
  const std::string series = R"(coffer_http_timeouts_total{kind="write"})";
  const auto counted = [&] {
    REQUIRE(s.client.get("/livez").status == 200);
    return s.server.metric(series).value_or(0) >= 1;
  };
  CHECK(test::eventually(10s, counted));
  CHECK(s.server.metric(series) == 1);
}

TEST_CASE("a batch may take as long as the statement timeout and the deadline allow") {
  test::shop s{{{"COFFER_DATABASE_STATEMENT_TIMEOUT", "8s"}, {"COFFER_REQUEST_TIMEOUT", "15s"}}};
  test::make_journal_slow(s.db, 3.5);
  s.client.set_timeout(20s);
  CHECK(test::buy(s.client, s.user, s.product, 1, "slow").status == 201);
  CHECK(s.db.integer("select count(*) from transactions where idempotency_key = 'slow'") == 1);
  CHECK_FALSE(s.server.metric("coffer_lane_unknown_outcomes_total{settled=\"committed\"}").value_or(0) > 0);
}

TEST_CASE("a request that waits for a row ends with 503 at its deadline") {
  test::shop s{{{"COFFER_REQUEST_TIMEOUT", "300ms"}}};
  test::held_row row{s.db, s.user};
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = s.buy();
  CHECK(std::chrono::steady_clock::now() - begin < 3s);
  CHECK(answer.status == 503);
  CHECK(answer.header("Content-Type") == "application/problem+json");
  row.release();
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("while one request runs a client cannot send ahead without limit, and what it sent is answered") {
  test::shop s{test::patient_settings()};
  const auto other = test::make_user(s.client, 100);
  test::held_row row{s.db, s.user};
  test::held_row other_row{s.db, other};
  auto client = s.server.client();
  client.connect();
  // What waits in the client's kernel has to be answered in the end.
  const int little = 64 * 1024;
  ::setsockopt(client.native(), SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
  const std::string first = purchase(s, s.user);
  client.send_raw(first);
  REQUIRE(row.is_waited_for());
  // While it runs, more piles up than is read at once. The second's head makes the buffer as large as it gets.
  const std::string second = purchase(s, other, block_limit);
  const std::string head = "GET /livez HTTP/1.1\r\nHost: h\r\nX: ";
  const std::string one = head + std::string(8 * 1024 - head.size() - 4, 'x') + "\r\n\r\n";
  client.send_raw(second);
  constexpr std::size_t most = 64 << 20;
  const std::size_t ahead = test::send_until_full(client, one, most);
  CHECK(ahead < most);
  const std::size_t sent = first.size() + second.size() + ahead;
  CHECK(test::read_by_peer(client, sent) <= first.size() + 64 * 1024);
  row.release();
  REQUIRE(other_row.is_waited_for());
  const std::size_t read = test::read_by_peer(client, sent);
  CHECK(read >= first.size() + second.size());
  CHECK(read <= first.size() + 64 * 1024);
  other_row.release();
  CHECK(client.read_response().status == 201);
  CHECK(client.read_response().status == 201);
  std::size_t answers = 0;
  for (; answers < ahead / one.size(); ++answers) {
    if (client.read_response().status != 200) {
      break;
    }
  }
  CHECK(answers == ahead / one.size());
}
