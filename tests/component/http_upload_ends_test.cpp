// Uploads that do not end well: bad framing, limits, slow and absent clients, a server that stops.
#include <sys/socket.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>

#include "coffer/base/metrics.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/http_client.hpp"
#include "support/http_service.hpp"
#include "support/raw_request.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using test::http_failure;

namespace {

double stream_timeouts() {
  return metrics::make_counter("coffer_http_timeouts_total", "Connections ended for waiting, by what was waited for",
                               {{"kind", "stream"}})
      .value();
}

/// Sends until the server takes no more for 200 ms, and gives how much it took.
std::size_t send_until_blocked(const test::http_client& client, std::size_t most) {
  const std::string part = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  std::size_t total = 0;
  auto last = std::chrono::steady_clock::now();
  while (total < most && std::chrono::steady_clock::now() - last < 200ms) {
    const std::size_t from = total % part.size();
    const ssize_t size = ::send(client.native(), part.data() + from, part.size() - from, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size > 0) {
      total += static_cast<std::size_t>(size);
      last = std::chrono::steady_clock::now();
    } else {
      std::this_thread::sleep_for(2ms);
    }
  }
  return total;
}

bool waits_for_taken(const test::http_service& service, std::size_t bytes) {
  return test::eventually(2s, [&] { return service.taken() >= bytes; });
}

constexpr std::size_t much = 64 * 1024 * 1024;

}  // namespace

TEST_CASE("a bad chunk in the middle ends the upload behind what came before it") {
  const test::http_service service;
  const std::string bad = GENERATE("x\r\n", "-1\r\n", "2\r\nabc\r\n", "1\nb\n", "ffffffffffffffffff\r\n", "3 \t\rabc");
  CAPTURE(bad);
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror", "3\r\nabc\r\n" + bad));
  const auto streamed = client.read_response();
  CHECK(streamed.status == 200);
  CHECK(streamed.body.starts_with("abc"));
  CHECK(streamed.body.ends_with("|malformed_request"));
  CHECK(client.closed_within(3s));
  client.close();
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/whole", "3\r\nabc\r\n" + bad));
  const auto whole = client.read_response();
  CHECK(whole.status == 400);
  CHECK(whole.header("Connection") == "close");
  CHECK(service.wait_for_connections(0));
}

TEST_CASE("an upload larger than the limit is refused before it is read, or where it passes the limit") {
  http::limits most;
  most.streamed_body = 100'000;
  const test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::raw_request("POST /upload/whole", {{"Content-Length", "100001"}}));
  CHECK(client.read_response().status == 413);
  CHECK(service.handled() == 0);
  const std::string half = "c350\r\n" + std::string(50'000, 'x') + "\r\n";
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/whole", half + half + "0\r\n\r\n"));
  CHECK(client.read_response().status == 200);
  client.send_raw(test::chunked_request("POST /upload/whole", half + half + "1\r\nx\r\n0\r\n\r\n"));
  CHECK(client.read_response().status == 413);
  CHECK(service.taken() == 200'000);
}

TEST_CASE("chunks that bring less than their extensions cost are refused") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  std::string chunks;
  for (int i = 0; i < 300; ++i) {
    chunks += "1;" + std::string(100, 'e') + "\r\nx\r\n";
  }
  client.send_raw(test::chunked_request("POST /upload/whole", chunks));
  CHECK(client.read_response().status == 431);
}

TEST_CASE("a client that stops sending is not waited for") {
  http::limits most;
  most.stream_idle = 150ms;
  const test::http_service service{most};
  const double before = stream_timeouts();
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror", "3\r\nabc\r\n5\r\nde"));
  CHECK(client.read_response().body == "abcde|request_timeout");
  client.close();
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/whole", "3\r\nabc\r\n"));
  CHECK(client.read_response().status == 408);
  CHECK(stream_timeouts() == before + 2);
  CHECK(service.wait_for_connections(0));
}

TEST_CASE("a client that is never silent and always slow is not waited for for ever") {
  http::limits most;
  most.stream_idle = 200ms;
  most.stream_grace = 300ms;
  most.stream_rate = 1000;
  const test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/whole", ""));
  const auto begin = std::chrono::steady_clock::now();
  while (!client.closed_within(20ms) && std::chrono::steady_clock::now() - begin < 8s) {
    client.send_raw("1\r\nx\r\n");
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(took > 250ms);
  CHECK(took < 5s);
  CHECK(client.read_response().status == 408);
}

TEST_CASE("time that the server needs is not held against the client") {
  http::limits most;
  most.stream_idle = most.stream_grace = 100ms;
  most.stream_rate = 1'000'000;
  const test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror?300", "1\r\na\r\n"));
  std::this_thread::sleep_for(250ms);
  client.send_raw("1\r\nb\r\n");
  std::this_thread::sleep_for(320ms);
  client.send_raw("0\r\n\r\n");
  CHECK(client.read_response().body == "ab|end");
}

TEST_CASE("a client that goes away in the middle of an upload leaves nothing behind") {
  const test::http_service service;
  const bool abruptly = GENERATE(true, false);
  const std::string path = GENERATE("/upload/whole", "/upload/mirror", "/upload/mirror?50");
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST " + path, "3\r\nabc\r\n5\r\nde"));
  REQUIRE(waits_for_taken(service, 5));
  client.close(abruptly);
  CHECK(service.wait_for_connections(0));
}

TEST_CASE("a client that ends its sending in the middle is told that its upload is not whole") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror", "3\r\nabc\r\n"));
  client.finish_sending();
  CHECK(client.read_response().body == "abc|malformed_request");
}

TEST_CASE("no more is read than a slow handler takes") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror?100000", ""));
  const std::size_t sent = send_until_blocked(client, much);
  CHECK(sent < much);
  CHECK(service.taken() <= http::limits{}.pipelined);
  test::http_client other{service.port()};
  CHECK(other.get("/echo").status == 200);
  client.close(true);
}

TEST_CASE("a client that does not read its answers is read no further, and reset in the end") {
  http::limits most;
  most.write_time = 600ms;
  const test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror", ""));
  CHECK(send_until_blocked(client, 2 * much) < 2 * much);
  const std::size_t taken = service.taken();
  test::http_client other{service.port()};
  CHECK(other.get("/echo").status == 200);
  CHECK(service.taken() == taken);
  other.close();
  CHECK(service.wait_for_connections(0));
}

TEST_CASE("what a handler does not read ends the connection behind an answer that arrives") {
  const test::http_service service;
  const std::size_t size = GENERATE(std::size_t{100'000}, std::size_t{8'000'000});
  test::http_client client{service.port()};
  client.connect();
  client.send_raw("POST /upload/first HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
                  std::string(size, 'x'));
  const auto answer = client.read_response();
  CHECK(answer.status == 200);
  CHECK(answer.header("Connection") == "close");
  CHECK(answer.body.size() <= http::limits{}.pipelined);
  CHECK(client.get("/echo").status == 200);
  client.close();
  CHECK(service.wait_for_connections(0));
}

TEST_CASE("an answer arrives before a chunked body that nobody asked for ends the connection") {
  const test::http_service service;
  const std::size_t size = GENERATE(std::size_t{100'000}, std::size_t{8'000'000});
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/other", test::chunk(std::string(size, 'x'))));
  CHECK(client.read_response().status == 415);
  client.close();
  CHECK(service.wait_for_connections(0));
}

TEST_CASE("a stopping server takes no more of an upload and says so in its answer") {
  http::limits most;
  most.drain_grace = 100ms;
  test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror", "3\r\nabc\r\n"));
  REQUIRE(waits_for_taken(service, 3));
  auto stopped = std::async(std::launch::async, [&] { return service.stop(); });
  CHECK(client.read_response().body == "abc|stopped");
  client.close();
  CHECK(stopped.get());
}

TEST_CASE("an upload that ends soon is taken whole by a stopping server") {
  http::limits most;
  most.drain_grace = 1s;
  test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror", "3\r\nabc\r\n"));
  REQUIRE(waits_for_taken(service, 3));
  auto stopped = std::async(std::launch::async, [&] { return service.stop(); });
  std::this_thread::sleep_for(50ms);
  client.send_raw("1\r\nd\r\n0\r\n\r\n");
  CHECK(client.read_response().body == "abcd|end");
  client.close();
  CHECK(stopped.get());
}

TEST_CASE("a client that never stops sending does not keep a server from stopping") {
  http::limits most;
  most.drain_grace = 100ms;
  test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror?1", "1\r\nx\r\n"));
  REQUIRE(waits_for_taken(service, 1));
  auto stopped = std::async(std::launch::async, [&] { return service.stop(); });
  const auto begin = std::chrono::steady_clock::now();
  try {
    while (std::chrono::steady_clock::now() - begin < 8s) {
      client.send_raw("1\r\nx\r\n");
      std::this_thread::sleep_for(1ms);
    }
  } catch (const http_failure&) {
    // The connection has ended.
  }
  client.close(true);
  CHECK(stopped.get());
  CHECK(std::chrono::steady_clock::now() - begin < 7s);
}

TEST_CASE("an upload that is cut leaves nothing behind") {
  http::limits most;
  most.drain_grace = 10s;
  test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request(
      GENERATE("POST /upload/mirror", "POST /upload/whole", "POST /upload/mirror?100"), "3\r\nabc\r\n"));
  REQUIRE(waits_for_taken(service, 3));
  CHECK_FALSE(service.stop(50ms));
  CHECK(service.connections() == 0);
}
