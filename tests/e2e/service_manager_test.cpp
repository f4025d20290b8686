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
    CHECK(manager.hear() == "WATCHDOG=1");
  }
  CHECK(shop.server.stop() == 0);
  std::string last = manager.hear();
  while (last == "WATCHDOG=1") {
    last = manager.hear();
  }
  CHECK(last.starts_with("STOPPING=1\n"));
}

TEST_CASE("a watchdog that is meant for another process is left alone") {
  const test::temporary_folder folder;
  const std::string path = (folder.path() / "notify").string();
  ear manager{path};
  test::shop shop{{{"NOTIFY_SOCKET", path}, {"WATCHDOG_USEC", "40000"}, {"WATCHDOG_PID", "1"}}};
  CHECK(manager.hear().starts_with("READY=1\n"));
  CHECK(shop.server.stop() == 0);
  CHECK(manager.hear().starts_with("STOPPING=1\n"));
}

TEST_CASE("a manager that is gone is no reason to fail") {
  test::shop shop{{{"NOTIFY_SOCKET", "/nowhere/notify"}, {"WATCHDOG_USEC", "40000"}}};
  CHECK(shop.buy().status == 201);
  CHECK(shop.server.stop() == 0);
}
