#include <unistd.h>

#include <chrono>
#include <fstream>
#include <regex>
#include <string>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/http_client.hpp"
#include "support/http_service.hpp"
#include "support/raw_request.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// The bytes of an answer with date and generated id put to fixed values.
std::string without_variables(std::string bytes) {
  bytes = std::regex_replace(bytes, std::regex{"Date: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"},
                             "Date: D");
  return std::regex_replace(bytes, std::regex{"X-Request-Id: [A-Za-z0-9_-]{22}\r\n"}, "X-Request-Id: I\r\n");
}

std::string expected(const std::string& status, const std::string& body, bool close = false,
                     const std::string& id = "I", bool with_body = true) {
  return "HTTP/1.1 " + status + "\r\nDate: D\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: " + id +
         "\r\nCache-Control: no-store\r\n"
         "Content-Type: text/plain; charset=utf-8\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + (close ? "Connection: close\r\n" : "") + "\r\n" +
         (with_body ? body : "");
}

/// Everything that comes back on a new connection for these bytes, until the server closes.
std::string talk(const test::http_service& service, std::string_view bytes) {
  test::http_client client{service.port(), 5s};
  client.connect();
  client.send_raw(bytes);
  return without_variables(client.read_to_end());
}

/// Memory of this process.
std::size_t resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  std::size_t all = 0;
  std::size_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

const std::string last_request = test::raw_request("GET /echo", {{"Connection", "close"}});
const std::string last_answer = expected("200 OK", "GET /echo ", true);

}  // namespace

TEST_CASE("a body that answers have in common is not copied for those who do not read it") {
  constexpr std::size_t size = 16'000'000;
  const test::http_service service;
  std::vector<test::http_client> slow;
  std::size_t before = 0;
  for (int i = 0; i < 12; ++i) {
    slow.emplace_back(service.port(), std::chrono::seconds{10});
    slow.back().connect();
    slow.back().send_raw(test::raw_request("GET /shared?" + std::to_string(size)));
    test::http_client other{service.port()};
    REQUIRE(test::eventually(std::chrono::seconds{10}, [&] { return service.handled() > 2 * i; }));
    REQUIRE(other.get("/echo").status == 200);
    if (i == 0) {
      before = resident_bytes();
    }
  }
  CHECK(resident_bytes() < before + size);
  CHECK((slow.front().read_response().body == std::string(size, 'x')));
  // Behind it the connection goes on.
  CHECK(slow.front().get("/echo").status == 200);
  slow.front().send_raw(test::raw_request("HEAD /shared?1"));
  CHECK(slow.front().read_response(true).header("Content-Length") == std::to_string(size));
  CHECK(slow.front().get("/echo").status == 200);
}

TEST_CASE("requests of a connection are answered in order with exactly these bytes") {
  const test::http_service service;
  CHECK(talk(service, test::raw_request("POST /echo", {{"X-Request-Id", "mine"}}, "ok") +
                          test::raw_request("GET /nowhere") + last_request) ==
        expected("200 OK", "POST /echo ok", false, "mine") + expected("404 Not Found", "nothing here") + last_answer);
  CHECK(service.handled() == 3);
}

TEST_CASE("HEAD is answered like GET without the body") {
  const test::http_service service;
  CHECK(talk(service, test::raw_request("HEAD /echo") + last_request) ==
        expected("200 OK", "HEAD /echo ", false, "I", false) + last_answer);
}

TEST_CASE("an HTTP/1.0 client is told whether the connection stays") {
  const test::http_service service;
  std::string kept = expected("200 OK", "GET /echo ");
  kept.replace(kept.find("\r\n\r\n"), 4, "\r\nConnection: keep-alive\r\n\r\n");
  CHECK(talk(service, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo HTTP/1.0\r\n\r\n") ==
        kept + last_answer);
}

TEST_CASE("a request that arrives byte by byte is answered") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  for (const char c : std::string{"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"}) {
    client.send_raw({&c, 1});
  }
  CHECK(client.read_response().body == "POST /echo abcde");
}

TEST_CASE("a bad second request is answered after the first, and nothing behind it is executed") {
  const test::http_service service;
  CHECK(talk(service, "GET /wait?30 HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\n\r\n" + last_request) ==
        expected("200 OK", "waited") + expected("400 Bad Request", "malformed_request", true));
  CHECK(service.handled() == 1);
}

TEST_CASE("a handler that throws is answered 500, and the connection stays") {
  const test::http_service service;
  CHECK(talk(service, test::raw_request("GET /throw") + last_request) ==
        expected("500 Internal Server Error", "internal") + last_answer);
}

TEST_CASE("a handler can end the connection") {
  const test::http_service service;
  CHECK(talk(service, test::raw_request("GET /close") + last_request) == expected("200 OK", "GET /close ", true));
}

TEST_CASE("100 Continue is said before the body is there and not when it is") {
  const test::http_service service;
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n";
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(head);
  CHECK(client.read_response().status == 100);
  client.send_raw("ok");
  CHECK(client.read_response().body == "POST /echo ok");
  CHECK(talk(service, head + "ok") == expected("200 OK", "POST /echo ok", true));
}

TEST_CASE("a body that is too large is refused before it is read, and the client can read why") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::raw_request("POST /echo", {{"Content-Length", "600000"}}));
  client.send_raw(std::string(600000, 'x'));
  const auto answer = client.read_response();
  CHECK(answer.status == 413);
  CHECK(answer.header("connection") == "close");
  CHECK(client.closed_within(3s));
  CHECK(service.handled() == 0);
}

TEST_CASE("a client that stops sending gets its answer") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::raw_request("GET /wait?20"));
  client.finish_sending();
  CHECK(client.read_response().body == "waited");
  CHECK(client.closed_within(1s));
}

TEST_CASE("many pipelined requests are all answered") {
  const test::http_service service;
  std::string bytes;
  std::string answers;
  for (int i = 0; i < 3000; ++i) {
    bytes += test::get_echo;
    answers += expected("200 OK", "GET /echo ");
  }
  CHECK(talk(service, bytes + last_request) == answers + last_answer);
}

TEST_CASE("connections are dealt out to all threads and counted") {
  const test::http_service service{{}, 3};
  std::vector<test::http_client> clients;
  for (int i = 0; i < 9; ++i) {
    CHECK(clients.emplace_back(service.port()).get("/echo").status == 200);
  }
  CHECK(service.connections() == 9);
  clients.erase(clients.begin(), clients.begin() + 4);
  clients.front().close(true);
  CHECK(service.wait_for_connections(4));
}
