// Answers whose body is made while it is sent.
#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "support/catch.hpp"
#include "support/http_client.hpp"
#include "support/http_service.hpp"
#include "support/raw_request.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// What /stream?`count` gives.
std::string letters(int count) {
  std::string all;
  for (int i = 0; i < count; ++i) {
    all.append(100'000, static_cast<char>('a' + i % 26));
  }
  return all;
}

}  // namespace

TEST_CASE("a streamed body arrives whole in chunks and the connection goes on") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw("GET /stream?30 HTTP/1.1\r\nHost: h\r\n\r\nGET /stream?0 HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto answer = client.read_response();
  CHECK(answer.header("Transfer-Encoding") == "chunked");
  CHECK_FALSE(answer.header("Content-Length"));
  CHECK((answer.body == letters(30)));
  CHECK(client.read_response().body.empty());
  CHECK(client.get("/echo").body == "GET /echo ");
  CHECK(service.connections() == 1);
}

TEST_CASE("HEAD of a streamed answer makes no body") {
  const test::http_service service;
  test::http_client client{service.port()};
  const auto answer = client.request("HEAD", "/broken?0");
  CHECK(answer.status == 200);
  CHECK(answer.header("Transfer-Encoding") == "chunked");
  CHECK(client.get("/echo").status == 200);
  CHECK(service.pieces() == 0);
  CHECK(service.connections() == 1);
}

TEST_CASE("an HTTP/1.0 client gets a streamed body that ends with the connection") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw("GET /stream?3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string all = client.read_to_end();
  CHECK(all.find("chunked") == std::string::npos);
  CHECK(all.find("Connection: close\r\n") != std::string::npos);
  CHECK((all.substr(all.find("\r\n\r\n") + 4) == letters(3)));
}

TEST_CASE("a body that cannot be made to its end resets the connection") {
  const test::http_service service;
  const std::string version = GENERATE("1.0", "1.1");
  CAPTURE(version);
  test::http_client client{service.port()};
  client.connect();
  client.send_raw("GET /broken?2 HTTP/" + version + "\r\nHost: h\r\n\r\n");
  auto why = test::http_failure::reason::timeout;
  try {
    client.read_response();
  } catch (const test::http_failure& failure) {
    why = failure.why;
  }
  CHECK(why == test::http_failure::reason::reset);
  CHECK(service.wait_for_connections(0));
  test::http_client other{service.port()};
  CHECK(other.get("/echo").status == 200);
}

TEST_CASE("a source is not asked for more than a slow client takes") {
  http::limits most;
  most.write_time = 400ms;
  const test::http_service service{most};
  test::http_client slow{service.port()};
  slow.connect();
  slow.send_raw(test::raw_request("GET /stream?1000"));
  test::http_client other{service.port()};
  for (int i = 0; i < 20; ++i) {
    REQUIRE(other.get("/echo").status == 200);
  }
  other.close();
  CHECK(service.wait_for_connections(0));
  CHECK(service.pieces() < 200);
}

TEST_CASE("a client that goes away in the middle of a stream leaves nothing behind") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::raw_request("GET /stream?100000"));
  std::this_thread::sleep_for(30ms);
  client.close(true);
  CHECK(service.wait_for_connections(0));
  CHECK(service.pieces() < 100'000);
}
