#include <malloc.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "coffer/base/metrics.hpp"
#include "support/catch.hpp"
#include "support/http_client.hpp"
#include "support/http_service.hpp"
#include "support/raw_request.hpp"
#include "support/read_ahead.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

http::limits short_limits() {
  http::limits most;
  most.header_time = most.body_time = most.idle_time = 200ms;
  most.write_time = 400ms;
  return most;
}

double timeouts(const char* kind) {
  return metrics::make_counter("coffer_http_timeouts_total", "Connections ended for waiting, by what was waited for",
                               {{"kind", kind}})
      .value();
}

class stopwatch {
 public:
  [[nodiscard]] auto elapsed() const { return std::chrono::steady_clock::now() - start_; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

TEST_CASE("a head that trickles in is answered 408 at its absolute deadline") {
  const test::http_service service{short_limits()};
  const double before = timeouts("headers");
  test::http_client client{service.port()};
  client.connect();
  const stopwatch watch;
  client.send_raw("GET /echo HTTP/1.1\r\nHost: h\r\nX: ");
  while (!client.closed_within(40ms) && watch.elapsed() < 5s) {
    client.send_raw("a");
  }
  const auto answer = client.read_response();
  CHECK(answer.status == 408);
  CHECK(answer.header("connection") == "close");
  CHECK(answer.count("x-request-id") == 1);
  CHECK(watch.elapsed() >= 190ms);
  CHECK(watch.elapsed() < 4s);
  CHECK(timeouts("headers") == before + 1);
}

TEST_CASE("a body that does not come is answered 408 at its deadline") {
  const test::http_service service{short_limits()};
  const double before = timeouts("body");
  test::http_client client{service.port()};
  client.connect();
  client.send_raw("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  CHECK(client.read_response().status == 408);
  CHECK(client.closed_within(3s));
  CHECK(timeouts("body") == before + 1);
  CHECK(service.handled() == 0);
}

TEST_CASE("an idle connection is closed without a word, a new one too") {
  const test::http_service service{short_limits()};
  const double before = timeouts("idle");
  test::http_client idle{service.port()};
  CHECK(idle.get("/echo").status == 200);
  test::http_client fresh{service.port()};
  fresh.connect();
  CHECK_FALSE(idle.closed_within(50ms));
  CHECK(idle.read_to_end().empty());
  CHECK(fresh.read_to_end().empty());
  CHECK(timeouts("idle") == before + 2);
}

TEST_CASE("time spent in the handler is not the client's") {
  const test::http_service service{short_limits()};
  test::http_client client{service.port()};
  CHECK(client.get("/wait?500").body == "waited");
  CHECK(client.get("/echo").status == 200);
  CHECK(service.connections() == 1);
}

TEST_CASE("every request has its own deadlines") {
  const test::http_service service{short_limits()};
  test::http_client client{service.port()};
  client.connect();
  for (int i = 0; i < 6; ++i) {
    client.send_raw("GET /echo HTTP/1.1\r\n");
    std::this_thread::sleep_for(70ms);
    client.send_raw("Host: h\r\n\r\n");
    REQUIRE(client.read_response().status == 200);
  }
}

TEST_CASE("a client that does not read its answer is reset, and others are served meanwhile") {
  const test::http_service service{short_limits()};
  const double before = timeouts("write");
  test::http_client slow{service.port()};
  slow.connect();
  slow.send_raw(test::raw_request("GET /size?20000000"));
  test::http_client other{service.port()};
  for (int i = 0; i < 20; ++i) {
    REQUIRE(other.get("/echo").status == 200);
  }
  other.close();
  CHECK(service.wait_for_connections(0));
  CHECK(timeouts("write") == before + 1);
}

TEST_CASE("a slow reader that makes progress gets everything") {
  http::limits most;
  most.write_time = 1s;
  const test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  constexpr std::size_t size = 16'000'000;
  client.send_raw(test::raw_request("GET /size?16000000", {{"Connection", "close"}}));
  std::size_t total = 0;
  std::string piece(400'000, '\0');
  for (bool open = true; open;) {
    std::this_thread::sleep_for(20ms);
    const ssize_t got = ::recv(client.native(), piece.data(), piece.size(), MSG_DONTWAIT);
    open = got > 0 || (got < 0 && errno == EAGAIN);
    total += got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  CHECK(total > size);
}

TEST_CASE("a client is idle only when it has taken its answer") {
  http::limits most;
  most.idle_time = 1s;
  const test::http_service service{most};
  test::http_client slow{service.port()};
  slow.connect();
  slow.send_raw(test::raw_request("GET /size?20000000"));
  std::this_thread::sleep_for(1200ms);
  CHECK(slow.read_response().body.size() == 20'000'000);
  std::this_thread::sleep_for(50ms);
  slow.send_raw(test::get_echo);
  CHECK(slow.read_response().status == 200);
}

TEST_CASE("a connection that idles keeps no room of a large answer") {
  const test::http_service service;
  std::vector<test::http_client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(service.port());
    REQUIRE(clients.back().get("/echo").status == 200);
  }
  const auto in_use = [] {
    const auto all = ::mallinfo2();
    return static_cast<double>(all.uordblks + all.hblkhd);
  };
  std::vector<char> piece(64 * 1024);
  const double before = in_use();
  for (auto& client : clients) {
    client.send_raw(test::raw_request("GET /size?1000000"));
    for (std::size_t total = 0; total < 1'000'000;) {  // kept nowhere
      const ssize_t got = ::recv(client.native(), piece.data(), piece.size(), MSG_DONTWAIT);
      REQUIRE((got > 0 || (got < 0 && errno == EAGAIN)));
      total += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
  }
  // A sanitizer's allocator counts nothing there.
  CHECK(in_use() - before < 5e6);
}

TEST_CASE("clients that reset their connections leave nothing behind") {
  const test::http_service service;
  for (int i = 0; i < 20; ++i) {
    test::http_client client{service.port()};
    client.connect();
    client.send_raw(i % 2 == 0 ? test::raw_request("GET /wait?50") : "GET /wait?50 HTTP/1.1\r\nHo");
    client.close(true);
  }
  CHECK(service.wait_for_connections(0));
  test::http_client after{service.port()};
  CHECK(after.get("/echo").status == 200);
}

TEST_CASE("a pipelining client is not read ahead of without limit") {
  http::limits most;
  // Larger than what waits may be, so that a head can make the buffer grow as far as it ever does: to hold that head.
  most.header_block = 66 * 1024;
  const std::size_t largest_head = most.request_line + most.header_block + 2;
  const test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  // While the first request runs the rest piles up, so that there is something to read behind the second's head.
  const std::string first = test::raw_request("GET /wait?300");
  const std::string second = "GET /wait?2000 HTTP/1.1\r\nHost: h\r\nX: " + std::string(65'800, 'x') + "\r\n\r\n";
  client.send_raw(first + second);
  constexpr std::size_t everything = 64'000'000;
  const std::size_t more = test::send_until_full(client, test::get_echo, everything);
  CHECK(more < everything);
  const std::size_t read = test::read_by_peer(client, first.size() + second.size() + more);
  REQUIRE(service.handled() == 2);
  CHECK(read >= first.size() + second.size());
  CHECK(read <= first.size() + largest_head);
  CHECK(client.read_response().body == "waited");
  CHECK(client.read_response().body == "waited");
}
