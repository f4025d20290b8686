// Sockets that a service manager holds: the test is the manager.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/database.hpp"
#include "support/eventually.hpp"
#include "support/http_client.hpp"
#include "support/process.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// A bound socket that children inherit, under a number that none of the descriptors of sd_listen_fds(3) has.
class held_socket {
 public:
  explicit held_socket(int type = SOCK_STREAM, bool listens = true, in_addr_t address = INADDR_LOOPBACK) {
    const int made = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(address);
    REQUIRE(::bind(made, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    REQUIRE((!listens || ::listen(made, 128) == 0));
    socklen_t size = sizeof at;
    ::getsockname(made, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    fd_ = ::fcntl(made, F_DUPFD, 20);
    ::close(made);
  }
  ~held_socket() { ::close(fd_); }
  held_socket(const held_socket&) = delete;
  held_socket& operator=(const held_socket&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  int fd_ = -1;
  std::uint16_t port_ = 0;
};

test::environment environment_of(const test::database& db) {
  return {{"DATABASE_URL", db.url()},
          {"REDIS_URL", "none"},
          {"COFFER_LISTEN", "127.0.0.1:0"},
          {"COFFER_ADMIN_LISTEN", "none"},
          {"COFFER_LOG_FORMAT", "json"}};
}

/// `coffer serve` as a manager starts it: the sockets are 3 and 4, and the variables name this process.
std::unique_ptr<test::process> start(const test::environment& env, const held_socket& first,
                                     const held_socket* second = nullptr) {
  const std::string script = "exec 3<&$1 4<&$2; LISTEN_PID=${PID_FOR_TEST:-$$} LISTEN_FDS=$3 exec \"$0\" serve";
  return std::make_unique<test::process>(
      std::vector<std::string>{"bash", "-c", script, test::coffer_binary(), std::to_string(first.fd()),
                               second == nullptr ? "0" : std::to_string(second->fd()), second == nullptr ? "1" : "2"},
      env);
}

bool listens(test::process& server) { return server.wait_for_line({"\"event\":\"listening\""}, 20s).has_value(); }

int stop(test::process& server) {
  server.signal(15);
  return server.wait(20s).value_or(-1);
}

/// What a server that does not start has logged; empty when it does start.
std::string complaint(const test::environment& env, const held_socket& first, const held_socket* second = nullptr) {
  const auto server = start(env, first, second);
  const auto code = server->wait(20s);
  return code == 1 ? server->out() : "";
}

}  // namespace

TEST_CASE("a server answers on sockets that it is handed") {
  const test::database db;
  const held_socket api;
  const held_socket metrics;
  auto env = environment_of(db);
  env["LISTEN_FDNAMES"] = "coffer.socket:admin";
  const auto server = start(env, api, &metrics);
  REQUIRE(listens(*server));
  CHECK(server->out().find(fmt::format("\"address\":\"127.0.0.1:{}\"", api.port())) != std::string::npos);
  CHECK(test::http_client{api.port()}.get("/products").status == 200);
  CHECK(test::http_client{metrics.port()}.get("/metrics").status == 200);
  CHECK(stop(*server) == 0);
}

TEST_CASE("a restart under a held socket fails no request") {
  const test::database db;
  const held_socket api;
  std::atomic<int> answered = 0;
  std::string failures;
  auto server = start(environment_of(db), api);
  REQUIRE(listens(*server));
  {
    const std::jthread asking{[&](const std::stop_token& stopped) {
      while (!stopped.stop_requested()) {
        try {
          // A connection for each: those made while nobody serves wait for who comes next.
          const auto answer = test::http_client{api.port()}.get("/livez");
          answered += 1;
          failures += answer.status == 200 ? "" : answer.head + answer.body;
        } catch (const test::http_failure& e) {
          failures += std::string{e.what()} + "\n";
        }
      }
    }};
    for (int i = 0; i < 5; ++i) {
      const int before = answered;
      REQUIRE(test::eventually(30s, [&] { return answered >= before + 20; }));
      CHECK(stop(*server) == 0);
      std::this_thread::sleep_for(20ms);
      server = start(environment_of(db), api);
      REQUIRE(listens(*server));
    }
  }
  CHECK(failures == "");
  CHECK(answered >= 100);
}

TEST_CASE("sockets that cannot be served on are refused, with the remedy") {
  const test::database db;
  const auto env = environment_of(db);
  const held_socket good;
  CHECK(complaint(env, held_socket{SOCK_STREAM, false}).find("does not listen") != std::string::npos);
  CHECK(complaint(env, held_socket{SOCK_DGRAM, false}).find("is no TCP socket") != std::string::npos);
  const held_socket other;
  CHECK(complaint(env, good, &other).find("FileDescriptorName=admin") != std::string::npos);
  CHECK(complaint(env, held_socket{SOCK_STREAM, true, INADDR_ANY}).find("--auth required") != std::string::npos);
}

TEST_CASE("sockets for another process are left alone") {
  const test::database db;
  const held_socket api;
  auto env = environment_of(db);
  env["PID_FOR_TEST"] = "1";
  const auto server = start(env, api);
  REQUIRE(listens(*server));
  CHECK(server->out().find(fmt::format(":{}\"", api.port())) == std::string::npos);
  CHECK(stop(*server) == 0);
}
