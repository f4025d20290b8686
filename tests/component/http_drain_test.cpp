#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/http_client.hpp"
#include "support/http_service.hpp"
#include "support/raw_request.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using test::http_failure;

namespace {

bool says_close(const test::http_response& r) { return r.header("connection") == "close"; }

bool waits_for_handled(const test::http_service& service, int count) {
  return test::eventually(2s, [&] { return service.handled() >= count; });
}

}  // namespace

TEST_CASE("stopping answers what runs with Connection: close and refuses new connections") {
  test::http_service service;
  test::http_client busy{service.port()};
  busy.connect();
  busy.send_raw(test::raw_request("GET /wait?300"));
  REQUIRE(waits_for_handled(service, 1));
  auto stopped = std::async(std::launch::async, [&] { return service.stop(); });
  const auto answer = busy.read_response();
  CHECK(answer.body == "waited");
  CHECK(says_close(answer));
  CHECK(busy.closed_within(1s));
  busy.close();
  CHECK(stopped.get());
  test::http_client late{service.port()};
  CHECK_THROWS_AS(late.connect(), http_failure);
}

TEST_CASE("an idle connection gets a moment for one more request, then it is closed") {
  http::limits most;
  most.drain_grace = 600ms;
  test::http_service service{most};
  test::http_client silent{service.port()};
  test::http_client talking{service.port()};
  CHECK(silent.get("/echo").status == 200);
  CHECK_FALSE(says_close(talking.get("/echo")));
  auto stopped = std::async(std::launch::async, [&] { return service.stop(); });
  std::this_thread::sleep_for(100ms);
  const auto answer = talking.get("/echo");
  CHECK(answer.status == 200);
  CHECK(says_close(answer));
  talking.close();
  CHECK(silent.read_to_end().empty());
  CHECK(stopped.get());
}

TEST_CASE("a request that has begun to arrive may end during the drain") {
  http::limits most;
  most.drain_grace = 50ms;
  test::http_service service{most};
  test::http_client client{service.port()};
  CHECK(client.get("/echo").status == 200);
  client.send_raw("GET /echo HTTP/1.1\r\n");
  std::this_thread::sleep_for(50ms);
  auto stopped = std::async(std::launch::async, [&] { return service.stop(); });
  std::this_thread::sleep_for(300ms);
  client.send_raw("Host: h\r\n\r\n");
  CHECK(says_close(client.read_response()));
  client.close();
  CHECK(stopped.get());
}

TEST_CASE("the first request of a connection, too, may end when it has begun to arrive during the drain") {
  http::limits most;
  most.drain_grace = 400ms;
  test::http_service service{most};
  test::http_client client{service.port()};
  client.connect();
  REQUIRE(service.wait_for_connections(1));
  auto stopped = std::async(std::launch::async, [&] { return service.stop(); });
  std::this_thread::sleep_for(200ms);
  client.send_raw("GET /echo HTTP/1.1\r\n");
  std::this_thread::sleep_for(400ms);
  client.send_raw("Host: h\r\n\r\n");
  const auto answer = client.read_response();
  CHECK(answer.status == 200);
  CHECK(says_close(answer));
  client.close();
  CHECK(stopped.get());
}

TEST_CASE("pipelined requests that have arrived are all answered, the last with Connection: close") {
  test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::raw_request("GET /wait?200") + test::get_echo + test::get_echo);
  REQUIRE(waits_for_handled(service, 1));
  client.send_raw(test::get_echo);
  auto stopped = std::async(std::launch::async, [&] { return service.stop(); });
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(says_close(client.read_response()));
  }
  CHECK(says_close(client.read_response()));
  client.close();
  CHECK(stopped.get());
  CHECK(service.handled() == 4);
}

TEST_CASE("connections in the backlog are accepted and answered before the listener closes") {
  http::limits most;
  most.connections = 1;
  test::http_service service{most};
  test::http_client first{service.port()};
  CHECK(first.get("/echo").status == 200);
  std::vector<test::http_client> waiting;
  for (int i = 0; i < 5; ++i) {
    waiting.emplace_back(service.port()).connect();
    waiting.back().send_raw(test::get_echo);
  }
  CHECK(service.connections() == 1);
  auto stopped = std::async(std::launch::async, [&] { return service.stop(); });
  for (auto& client : waiting) {
    CHECK(says_close(client.read_response()));
    client.close();
  }
  first.close();
  CHECK(stopped.get());
}

TEST_CASE("who says nothing is not waited for, also when the backlog is emptied") {
  http::limits most;
  most.connections = 1;
  most.drain_grace = 100ms;
  test::http_service service{most};
  test::http_client first{service.port()};
  CHECK(first.get("/echo").status == 200);
  test::http_client silent{service.port()};
  silent.connect();
  const auto start = std::chrono::steady_clock::now();
  CHECK(service.stop(8s));
  CHECK(std::chrono::steady_clock::now() - start < 4s);
  CHECK(silent.read_to_end().empty());
}

TEST_CASE("a client that takes its answer while the server stops is not waited for longer than another") {
  http::limits most;
  most.drain_grace = 200ms;
  test::http_service service{most};
  test::http_client slow{service.port()};
  slow.connect();
  constexpr std::size_t size = 20'000'000;
  slow.send_raw(test::raw_request("GET /size?20000000"));
  REQUIRE(waits_for_handled(service, 1));
  auto stopped = std::async(std::launch::async, [&] { return service.stop(8s); });
  std::this_thread::sleep_for(100ms);
  const auto answer = slow.read_response();
  const auto begin = std::chrono::steady_clock::now();
  CHECK(answer.body.size() == size);
  CHECK(slow.closed_within(5s));
  CHECK(std::chrono::steady_clock::now() - begin < 3s);
  CHECK(stopped.get());
}

TEST_CASE("what is not done at the deadline is cut") {
  test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::raw_request("GET /wait?900"));
  REQUIRE(waits_for_handled(service, 1));
  const auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(service.stop(100ms));
  CHECK(std::chrono::steady_clock::now() - start < 3s);
  CHECK(client.closed_within(1s));
}

TEST_CASE("stopping under load fails no request that was accepted") {
  test::http_service service{{}, 2};
  std::atomic<int> answered{0};
  std::atomic<int> failed{0};
  std::atomic<int> closing{0};
  const auto load = [&](bool keep) {
    for (;;) {
      test::http_client client{service.port()};
      try {
        client.connect();
      } catch (const http_failure&) {
        return;  // the listener is closed: not accepted
      }
      try {
        for (bool open = true; open;) {
          const auto answer = client.get("/echo");
          failed += answer.status == 200 ? 0 : 1;
          ++answered;
          open = keep && !says_close(answer);
          closing += says_close(answer) ? 1 : 0;
        }
      } catch (const http_failure&) {
        ++failed;
      }
    }
  };
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 6; ++i) {
      clients.emplace_back(load, i % 3 != 0);
    }
    std::this_thread::sleep_for(150ms);
    CHECK(service.stop());
  }
  CHECK(failed == 0);
  CHECK(answered > 20);
  CHECK(closing > 0);
}
