// The limits of the running server, at the limit and one beyond it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/parallel.hpp"
#include "support/raw_request.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

bool is_problem(const test::http_response& answer, int status) {
  return answer.status == status && answer.header("Content-Type") == "application/problem+json";
}

/// The answer to these bytes on a new connection.
test::http_response answer_to(const test::shop& s, const std::string& bytes) {
  auto client = s.server.client();
  client.connect();
  client.send_raw(bytes);
  return client.read_response();
}

/// A GET whose request line has that many bytes, with its line end.
std::string with_request_line(std::size_t size) {
  const std::string begin = "GET /users?username=";
  const std::string end = " HTTP/1.1\r\n";
  return begin + std::string(size - begin.size() - end.size(), 'x') + end + "Host: h\r\n\r\n";
}

/// A GET whose fields, with the empty line, have that many bytes.
std::string with_header_block(std::size_t size) {
  const std::string begin = "Host: h\r\nX: ";
  const std::string end = "\r\n\r\n";
  return "GET /livez HTTP/1.1\r\n" + begin + std::string(size - begin.size() - end.size(), 'x') + end;
}

std::string with_headers(int count) {
  std::string request = "GET /livez HTTP/1.1\r\nHost: h\r\n";
  for (int i = 1; i < count; ++i) {
    request += fmt::format("X-{}: 1\r\n", i);
  }
  return request + "\r\n";
}

/// A body of that many bytes that makes a user.
std::string user_body(std::size_t size) {
  const auto word = test::unique_word("limit");
  const std::string body = fmt::format(R"({{"username":"{}","email":"{}@example.com"}})", word, word);
  return body + std::string(size - body.size(), ' ');
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

}  // namespace

TEST_CASE("sizes of a request are served at their limit and refused beyond it") {
  test::shop s;
  CHECK(answer_to(s, with_request_line(8 * 1024)).status == 200);
  CHECK(is_problem(answer_to(s, with_request_line(8 * 1024 + 1)), 414));
  CHECK(answer_to(s, with_header_block(16 * 1024)).status == 200);
  CHECK(is_problem(answer_to(s, with_header_block(16 * 1024 + 1)), 431));
  CHECK(answer_to(s, with_headers(100)).status == 200);
  CHECK(is_problem(answer_to(s, with_headers(101)), 431));
  CHECK(s.client.post("/users", user_body(16 * 1024)).status == 201);
  CHECK(is_problem(s.server.client().post("/users", user_body(16 * 1024 + 1)), 413));
}

TEST_CASE("a body that is too long is refused before it comes") {
  test::shop s;
  CHECK(is_problem(answer_to(s,
                             "POST /users HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                             "Content-Length: 16385\r\n\r\n"),
                   413));
}

TEST_CASE("JSON is read to a depth of eight") {
  test::shop s;
  // One level is the object itself. What is not understood is told from what is not read.
  CHECK(is_problem(s.client.post("/users", R"({"x":)" + nested(7) + "}"), 422));
  const auto deeper = s.client.post("/users", R"({"x":)" + nested(8) + "}");
  CHECK(is_problem(deeper, 400));
  CHECK(deeper.code() == "malformed_json");
}

TEST_CASE("JSON is read to the depth that is set") {
  test::shop s{{{"COFFER_MAX_JSON_DEPTH", "4"}}};
  CHECK(is_problem(s.client.post("/users", R"({"x":)" + nested(3) + "}"), 422));
  const auto deeper = s.client.post("/users", R"({"x":)" + nested(4) + "}");
  CHECK(is_problem(deeper, 400));
  CHECK(deeper.json()["detail"].text().find("deeper than 4 levels") != std::string::npos);
}

TEST_CASE("who is slow is sent away when the time is over") {
  test::shop s{
      {{"COFFER_HEADER_TIMEOUT", "300ms"}, {"COFFER_BODY_TIMEOUT", "300ms"}, {"COFFER_IDLE_TIMEOUT", "300ms"}}};
  auto client = s.server.client();
  client.connect();
  const auto begin = std::chrono::steady_clock::now();
  SECTION("with the head of a request, however steadily it drips") {
    // Nothing is read meanwhile; the answer waits in the socket until the drip is told that the connection ended.
    try {
      client.send_raw("GET /livez HTTP/1.1\r\n");
      while (std::chrono::steady_clock::now() - begin < 1s) {
        client.send_raw("X: y\r\n");
        std::this_thread::sleep_for(20ms);
      }
    } catch (const test::http_failure&) {
    }
    CHECK(client.closed_within(5s));
  }
  SECTION("with a body") {
    client.send_raw("POST /users HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{");
    CHECK(is_problem(client.read_response(), 408));
  }
  SECTION("with the next request") {
    CHECK(client.get("/livez").status == 200);
    CHECK(client.closed_within(5s));
  }
  CHECK(std::chrono::steady_clock::now() - begin < 6s);
  CHECK(s.client.get("/livez").status == 200);
}

TEST_CASE("clients beyond the limit wait in the backlog until one goes") {
  test::shop s{{{"COFFER_MAX_CONNECTIONS", "3"}, {"COFFER_MAX_CONNECTIONS_PER_ADDRESS", "0"}}};
  auto second = s.server.client();
  auto third = s.server.client();
  REQUIRE(second.get("/livez").status == 200);
  REQUIRE(third.get("/livez").status == 200);
  auto fourth = s.server.client();
  fourth.connect();
  fourth.send_raw(test::raw_request("GET /livez"));
  fourth.set_timeout(300ms);
  CHECK_THROWS_AS(fourth.read_response(), test::http_failure);
  second.close();
  fourth.set_timeout(10s);
  CHECK(fourth.read_response().status == 200);
}

TEST_CASE("a server with few open files serves as many clients as those leave, and more wait until one goes") {
  test::database db;
  // 160 less 128, which a server on one thread keeps from its clients. The soft limit counts for nothing.
  const test::server_process server{
      db, {{"COFFER_MAX_CONNECTIONS_PER_ADDRESS", "0"}, {"COFFER_THREADS", "1"}}, {"prlimit", "--nofile=64:160"}};
  std::vector<test::http_client> served;
  for (int i = 0; i < 32; ++i) {
    served.push_back(server.client());
    REQUIRE(served.back().get("/livez").status == 200);
  }
  std::vector<test::http_client> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(server.client());
    waiting.back().connect();
    waiting.back().send_raw(test::raw_request("GET /livez"));
    waiting.back().set_timeout(300ms);
  }
  // What is left is enough for whatever else the server needs.
  CHECK(test::make_user(served.front(), 100) > 0);
  for (auto& client : waiting) {
    CHECK_THROWS_AS(client.read_response(), test::http_failure);
  }
  for (std::size_t gone = 1; gone <= waiting.size(); ++gone) {
    served.pop_back();
    waiting[gone - 1].set_timeout(10s);
    CHECK(waiting[gone - 1].read_response().status == 200);
    for (std::size_t i = gone; i < waiting.size(); ++i) {
      CHECK_FALSE(waiting[i].closed_within(50ms));
      CHECK_THROWS_AS(waiting[i].read_response(), test::http_failure);
    }
  }
}

TEST_CASE("the admin listener serves few at once, and those who wait there keep nobody from the API") {
  const test::shop s;
  std::vector<test::http_client> served;
  for (int i = 0; i < 32; ++i) {
    served.push_back(s.server.admin());
    REQUIRE(served.back().get("/livez").status == 200);
  }
  auto waiting = s.server.admin();
  waiting.connect();
  waiting.send_raw(test::raw_request("GET /metrics"));
  waiting.set_timeout(300ms);
  CHECK_THROWS_AS(waiting.read_response(), test::http_failure);
  CHECK(s.server.client().get("/livez").status == 200);
  served.pop_back();
  waiting.set_timeout(10s);
  const auto metrics = waiting.read_response();
  CHECK(metrics.status == 200);
  CHECK(metrics.body.find("coffer_http_connections{listener=\"admin\"} 32\n") != std::string::npos);
}

TEST_CASE("a lane's queue is bounded: what does not fit is refused and was not done") {
  test::shop s{{{"COFFER_LANE_QUEUE", "4"}, {"COFFER_LANES", "1"}, {"COFFER_MAX_BATCH", "1"}}};
  // The user's row is held, so the lane's batch waits and the queue fills.
  test::sql_session blocker{s.db.url()};
  blocker.query("begin");
  blocker.query("select 1 from users where id = $1 for update", {std::to_string(s.user)});
  std::atomic<int> refused = 0;
  std::jthread release{[&] {
    [[maybe_unused]] const bool full = test::eventually(800ms, [&] { return refused >= 10; });
    blocker.query("rollback");
  }};
  const auto codes = test::parallel_map(16, [&](std::size_t) {
    auto client = s.server.client();
    const auto answer = test::buy(client, s.user, s.product);
    if (answer.status == 503) {
      ++refused;
      return answer.header("Retry-After").has_value() ? answer.code() : std::string{"no Retry-After"};
    }
    return std::to_string(answer.status);
  });
  release.join();
  const auto bought = std::count(codes.begin(), codes.end(), "201");
  CHECK(std::count(codes.begin(), codes.end(), "overloaded") >= 10);
  CHECK(bought + std::count(codes.begin(), codes.end(), "overloaded") == 16);
  CHECK(s.db.integer("select count(*) from transactions where kind = 2") == bought);
  CHECK(test::audit(s.db) == "");
}

TEST_CASE("many requests on one connection are answered in order, however far they are sent ahead") {
  test::shop s;
  auto client = s.server.client(30s);
  client.connect();
  std::jthread sender{[&client] {
    std::string requests;
    for (int i = 0; i < 3000; ++i) {
      requests +=
          test::raw_request(fmt::format("GET /users/{}", i + 1), {{"X-Request-Id", fmt::format("number-{}", i)}});
    }
    client.send_raw(requests);
  }};
  int in_order = 0;
  for (int i = 0; i < 3000; ++i) {
    in_order += client.read_response().header("X-Request-Id") == fmt::format("number-{}", i) ? 1 : 0;
  }
  CHECK(in_order == 3000);
}
