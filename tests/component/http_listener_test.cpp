#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "coffer/base/metrics.hpp"
#include "support/catch.hpp"
#include "support/http_client.hpp"
#include "support/http_service.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// Leaves the process this many free descriptors while in scope.
class few_descriptors {
 public:
  explicit few_descriptors(unsigned free_ones) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(lowest);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(lowest) + free_ones;
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

double pauses(const char* reason) {
  return metrics::make_counter("coffer_http_accept_pauses_total", "Times accepting paused, by reason",
                               {{"listener", "test"}, {"reason", reason}})
      .value();
}

}  // namespace

TEST_CASE("connections beyond the limit wait in the backlog until one ends") {
  http::limits most;
  most.connections = 2;
  const test::http_service service{most, 2};
  test::http_client first{service.port()};
  test::http_client second{service.port()};
  CHECK(first.get("/echo").status == 200);
  CHECK(second.get("/echo").status == 200);
  test::http_client third{service.port()};
  third.connect();
  third.send_raw(test::get_echo);
  CHECK_FALSE(third.closed_within(150ms));
  CHECK(service.connections() == 2);
  second.close();
  CHECK(third.read_response().status == 200);
  CHECK(service.connections() == 2);
}

TEST_CASE("the limit of connections holds while clients come and go") {
  http::limits most;
  most.connections = 3;
  const test::http_service service{most, 2};
  std::vector<std::jthread> clients;
  std::atomic<int> answered{0};
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([&] {
      for (int n = 0; n < 25; ++n) {
        test::http_client client{service.port()};
        answered += client.get("/echo").status == 200 ? 1 : 0;
      }
    });
  }
  clients.clear();
  CHECK(answered == 150);
  CHECK(service.wait_for_connections(0));
}

TEST_CASE("without descriptors accepting pauses, serves on, and recovers") {
  const test::http_service service;
  test::http_client served{service.port()};
  CHECK(served.get("/echo").status == 200);
  const double before = pauses("descriptors");
  test::http_client waiting{service.port()};
  bool closed = true;
  int status = 0;
  {
    // Nothing is checked in here: the sanitizer that watches the checks needs a descriptor too.
    const few_descriptors starve{1};
    waiting.connect();
    waiting.send_raw(test::get_echo);
    closed = waiting.closed_within(350ms);
    status = served.get("/echo").status;
  }
  CHECK_FALSE(closed);
  CHECK(status == 200);
  const double during = pauses("descriptors") - before;
  CHECK(during >= 1);
  CHECK(during <= 8);
  CHECK(waiting.read_response().status == 200);
}

TEST_CASE("when descriptors stay away the oldest connection is refused with 503") {
  const test::http_service service;
  test::http_client served{service.port()};
  REQUIRE(served.get("/echo").status == 200);  // the server has opened all that it opens at its start
  test::http_client waiting{service.port()};
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = [&] {
    const few_descriptors starve{1};
    waiting.connect();
    return waiting.read_response();
  }();
  CHECK(service.rejected_at() >= begin);  // its duration is that of the refusal
  CHECK(answer.status == 503);
  CHECK(answer.body == "overloaded");
  CHECK(answer.header("connection") == "close");
  CHECK(answer.count("x-request-id") == 1);
}

TEST_CASE("a socket that accepts nothing but errors costs pauses, and is used again when it can be") {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const net::owned_fd held{made};
  sockaddr_in loopback{};
  loopback.sin_family = AF_INET;
  loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(made, reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback) == 0);
  REQUIRE(::listen(made, 16) == 0);
  asio::io_context context{1};
  int accepted = 0;
  int paused = 0;
  net::listener::callbacks calls;
  calls.has_room = [] { return true; };
  calls.accepted = [&](const net::owned_fd&, const std::string&) { ++accepted; };
  calls.refused = [](int) {};
  calls.paused = [&](net::listener::pause why) { paused += why == net::listener::pause::failing ? 1 : 0; };
  net::listener listener{context.get_executor(), std::move(calls)};
  listener.open(net::owned_fd{::fcntl(made, F_DUPFD_CLOEXEC, 0)});
  // Whoever holds the socket too can do this to us.
  REQUIRE(::shutdown(made, SHUT_RD) == 0);
  bool ended = false;
  asio::co_spawn(context, listener.run(), [&](const std::exception_ptr&) { ended = true; });
  context.run_for(350ms);
  CHECK(paused >= 1);
  CHECK(paused <= 8);
  REQUIRE(::listen(made, 16) == 0);
  const std::string address = net::bound_address(made);
  test::http_client client{static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)))};
  client.connect();
  context.run_for(300ms);
  CHECK(accepted == 1);
  asio::co_spawn(context, listener.close(), [](const std::exception_ptr&) {});
  context.run_for(200ms);
  CHECK(ended);
}

TEST_CASE("an address that cannot be listened on is refused with its name") {
  asio::io_context context{1};
  test::path_handler handler;
  const auto failure = [&](const std::string& address) -> std::string {
    std::vector<http::shard> shards;
    shards.emplace_back(context.get_executor(), handler);
    http::server server{"test", std::move(shards), http::limits{}};
    try {
      server.listen(address);
    } catch (const std::invalid_argument& e) {
      return std::string{"invalid "} + e.what();
    } catch (const std::system_error& e) {
      return std::string{"system "} + e.what();
    }
    return "";
  };
  for (const char* address : {"", "8080", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:http", "no such host:1"}) {
    CAPTURE(address);
    CHECK(failure(address).starts_with("invalid \"" + std::string{address} + "\" is not an address"));
  }
  const test::http_service service;
  const std::string taken = "127.0.0.1:" + std::to_string(service.port());
  CHECK(failure(taken).starts_with("system cannot listen on " + taken));
  CHECK(failure("127.0.0.1:0") == "");
  CHECK(failure("[::1]:0") == "");
}
