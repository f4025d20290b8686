// Request bodies that are read while they arrive: framing, order, and what follows on the connection.
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

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

/// What comes until `end` has come, or ten seconds have passed.
std::string receive_until(const test::http_client& client, std::string_view end) {
  std::string all;
  const auto late = std::chrono::steady_clock::now() + 10s;
  while (all.find(end) == std::string::npos && std::chrono::steady_clock::now() < late) {
    pollfd on{client.native(), POLLIN, 0};
    char part[4096];
    if (::poll(&on, 1, 100) == 1) {
      const ssize_t size = ::recv(client.native(), part, sizeof part, 0);
      if (size <= 0) {
        break;
      }
      all.append(part, static_cast<std::size_t>(size));
    }
  }
  return all;
}

void send_at_once(const test::http_client& client) {
  const int on = 1;
  ::setsockopt(client.native(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

TEST_CASE("an upload split at any byte is whole, and so is the request behind it") {
  const test::http_service service;
  const std::string path = GENERATE("/upload/whole", "/upload/mirror");
  const std::string framed =
      GENERATE(true, false)
          ? test::chunked_request("POST " + path, "3;a=b\r\nabc\r\n0004\r\n\r\nde\r\n1\r\nf\r\n0\r\nX-Sum: 1\r\n\r\n")
          : test::raw_request("POST " + path, {}, "abc\r\ndef");
  const std::string expected = "abc\r\ndef" + std::string{path == "/upload/mirror" ? "|end" : ""};
  const std::string all = framed + test::get_echo;
  for (std::size_t cut = 1; cut < all.size(); ++cut) {
    CAPTURE(all.substr(0, cut));
    test::http_client client{service.port()};
    client.connect();
    send_at_once(client);
    client.send_raw(all.substr(0, cut));
    std::this_thread::sleep_for(1ms);
    client.send_raw(all.substr(cut));
    REQUIRE(client.read_response().body == expected);
    REQUIRE(client.read_response().body == "GET /echo ");
  }
}

TEST_CASE("an upload that arrives byte by byte is whole") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  send_at_once(client);
  for (const char c : test::chunked_request("POST /upload/whole", "5\r\nhello\r\n3\r\n, y\r\n2\r\nou\r\n0\r\n\r\n")) {
    client.send_raw({&c, 1});
  }
  CHECK(client.read_response().body == "hello, you");
  CHECK(client.get("/echo").status == 200);
  CHECK(service.connections() == 1);
}

TEST_CASE("uploads larger than a body may be arrive, one after the other") {
  const test::http_service service;
  test::http_client client{service.port()};
  std::string text;
  for (int i = 0; i < 30'000; ++i) {
    text += std::to_string(i) + "\n";
  }
  client.connect();
  for (int i = 0; i < 3; ++i) {
    client.send_raw(test::raw_request("POST /upload/whole", {}, text));
    CHECK((client.read_response().body == text));
  }
  CHECK(client.request("POST", "/echo", {}, text).status == 413);
  CHECK(service.taken() == 3 * text.size());
}

TEST_CASE("pipelined uploads and requests are answered in order") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror", "1\r\na\r\n0\r\n\r\n") + test::get_echo +
                  test::raw_request("POST /upload/whole", {}, "b") + test::raw_request("POST /upload/whole", {}, "") +
                  test::raw_request("POST /upload/mirror", {}, "c") + test::get_echo);
  CHECK(client.read_response().body == "a|end");
  CHECK(client.read_response().body == "GET /echo ");
  CHECK(client.read_response().body == "b");
  CHECK(client.read_response().body == "no body");
  CHECK(client.read_response().body == "c|end");
  CHECK(client.read_response().body == "GET /echo ");
  CHECK(service.connections() == 1);
}

TEST_CASE("what has come is answered before the rest arrives") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::chunked_request("POST /upload/mirror", "4\r\none,\r\n"));
  CHECK(receive_until(client, "4\r\none,\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
  client.send_raw("4\r\ntwo,\r\n");
  CHECK(receive_until(client, "two,\r\n") == "4\r\ntwo,\r\n");
  client.send_raw("0\r\n\r\n");
  CHECK(receive_until(client, "0\r\n\r\n") == "4\r\n|end\r\n0\r\n\r\n");
  CHECK(client.get("/echo").status == 200);
}

TEST_CASE("an HTTP/1.0 upload is answered up to the end of the connection") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw("POST /upload/mirror HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc");
  const std::string all = client.read_to_end();
  CHECK(all.ends_with("\r\n\r\nabc|end"));
  CHECK(all.find("Connection: close\r\n") != std::string::npos);
}

TEST_CASE("a client that waits is told to go on as soon as its body is wanted, and before the answer begins") {
  const test::http_service service;
  const std::string path = GENERATE("/upload/whole", "/upload/mirror");
  test::http_client client{service.port()};
  client.connect();
  client.send_raw("POST " + path +
                  " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client.read_response().status == 100);
  client.send_raw("3\r\nabc\r\n0\r\n\r\n");
  CHECK(client.read_response().body.starts_with("abc"));
  CHECK(client.get("/echo").status == 200);
}

TEST_CASE("a client that waits is told to go on alone: the final head comes when some of its body has been taken") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  send_at_once(client);
  client.send_raw(
      "POST /upload/mirror HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
  CHECK(receive_until(client, "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK_FALSE(client.closed_within(200ms));
  client.send_raw("3\r\n");
  CHECK_FALSE(client.closed_within(200ms));
  client.send_raw("abc\r\n");
  const std::string head = receive_until(client, "abc\r\n");
  CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(head.find("100 Continue") == std::string::npos);
  client.send_raw("0\r\n\r\n");
  CHECK(receive_until(client, "0\r\n\r\n") == "4\r\n|end\r\n0\r\n\r\n");
}

TEST_CASE("a client that waits is not told to go on when its body is not wanted, or has come") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  client.send_raw(test::raw_request("POST /upload/refuse", {{"Content-Length", "3"}, {"Expect", "100-continue"}}));
  const auto refused = client.read_response();
  CHECK(refused.status == 415);
  CHECK(refused.header("Connection") == "close");
  client.connect();
  client.send_raw("POST /upload/whole HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
  CHECK(client.read_response().body == "abc");
}

TEST_CASE("HEAD with an upload leaves nothing of it for a request") {
  const test::http_service service;
  test::http_client client{service.port()};
  client.connect();
  const std::string smuggled{test::get_echo};
  client.send_raw("HEAD /upload/mirror HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(smuggled.size()) +
                  "\r\n\r\n" + smuggled);
  const auto answer = client.read_response(true);
  CHECK(answer.status == 200);
  // The small body is skipped, and the connection goes on.
  CHECK(client.get("/wait?1").body == "waited");
  CHECK(service.handled() == 2);
}
