// What a service manager hears: a real datagram socket stands for systemd's.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "support/catch.hpp"
#include "support/shop.hpp"
#include "support/temporary_folder.hpp"

using namespace coffer;

namespace {

bool has_line(const std::string& message, const std::string& line) {
  return ("\n" + message + "\n").find("\n" + line + "\n") != std::string::npos;
}

/// A bound datagram socket.
class ear {
 public:
  explicit ear(const std::string& path) : fd_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, path.data(), path.size());
    REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  }
  ~ear() { ::close(fd_); }
  ear(const ear&) = delete;
  ear& operator=(const ear&) = delete;

  /// The next message; empty when none comes for 10 s.
  std::string hear() {
    pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 10'000) != 1) {
      return {};
    }
    std::string message(1024, '\0');
    const ssize_t size = ::recv(fd_, message.data(), message.size(), 0);
    message.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return message;
  }
  /// The next message with a line that begins so; empty when none comes.
  std::string hear_of(const std::string& begin) {
    std::string message = hear();
    while (!message.empty() && ("\n" + message).find("\n" + begin) == std::string::npos) {
      message = hear();
    }
    return message;
  }

 private:
  int fd_;
};

}  // namespace

TEST_CASE("the manager hears of readiness, of life and of the end, in this order") {
  const test::temporary_folder folder;
  const std::string path = (folder.path() / "notify").string();
  ear manager{path};
  test::shop shop{{{"NOTIFY_SOCKET", path}, {"WATCHDOG_USEC", "400000"}, {"COFFER_THREADS", "2"}}};
  const std::string first = manager.hear();
  CHECK(first.starts_with("READY=1\n"));
  CHECK(first.find(std::to_string(shop.server.port())) != std::string::npos);
  for (int i = 0; i < 5; ++i) {
    CHECK(manager.hear_of("WATCHDOG=1") == "WATCHDOG=1");
  }
  CHECK(shop.server.stop() == 0);
  const std::string last = manager.hear_of("STOPPING=1");
  CHECK(has_line(last, "STOPPING=1"));
  // 15 s for requests, 3 for background work, 5 and 2 for the lanes, 3 for the rest.
  CHECK(has_line(last, "EXTEND_TIMEOUT_USEC=28000000"));
}

TEST_CASE("the manager's status says whether the database can be served from, and why not") {
  const test::temporary_folder folder;
  const std::string path = (folder.path() / "notify").string();
  ear manager{path};
  test::database db = test::database::empty();
  test::server_process server{db, {{"NOTIFY_SOCKET", path}}};
  CHECK(manager.hear().starts_with("READY=1\nSTATUS=Listening on 127.0.0.1:"));
  CHECK(has_line(manager.hear_of("STATUS="),
                 "STATUS=Cannot serve: the database has no schema yet: run `coffer migrate up`"));
  REQUIRE(test::run_coffer({"migrate", "up"}, {{"DATABASE_URL", db.url()}}).exit_code == 0);
  CHECK(has_line(manager.hear_of("STATUS="), "STATUS=Serving 127.0.0.1:" + std::to_string(server.port())));
  CHECK(server.stop() == 0);
}

TEST_CASE("a watchdog that is meant for another process is left alone") {
  const test::temporary_folder folder;
  const std::string path = (folder.path() / "notify").string();
  ear manager{path};
  test::shop shop{{{"NOTIFY_SOCKET", path}, {"WATCHDOG_USEC", "40000"}, {"WATCHDOG_PID", "1"}}};
  CHECK(manager.hear().starts_with("READY=1\n"));
  CHECK(shop.server.stop() == 0);
  std::string message = manager.hear();
  while (message.starts_with("STATUS=")) {
    message = manager.hear();
  }
  CHECK(message.starts_with("STOPPING=1\n"));
}

TEST_CASE("a manager that is gone is no reason to fail") {
  test::shop shop{{{"NOTIFY_SOCKET", "/nowhere/notify"}, {"WATCHDOG_USEC", "40000"}}};
  CHECK(shop.buy().status == 201);
  CHECK(shop.server.stop() == 0);
}
