// The cheapest HTTP responder there is: one thread, epoll, a constant answer per request head. The floor that the
// server's own GET /livez is measured against; it parses nothing and keeps no limit.
//
// usage: epoll_floor PORT      listens on 127.0.0.1 until it is killed; port 0 takes a free one and prints it

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

// As long as the server's answer to GET /livez, fields included, so that the kernel has the same work.
constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 23:13:50 GMT\r\nX-Request-Id: AAAAAAAAAAAAAAAAAAAAAA\r\n"
    "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Type: application/json\r\n"
    "Content-Length: 15\r\n\r\n{\"status\":\"ok\"}";

/// The listening socket, or -1; prints its port.
int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd, any, sizeof address) != 0 || ::listen(fd, SOMAXCONN) != 0) {
    std::perror("epoll_floor");
    return -1;
  }
  socklen_t size = sizeof address;
  ::getsockname(fd, any, &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/// Answers every request head that has come. False when the connection is over.
bool serve(int fd, std::string& pending) {
  std::array<char, 4096> buffer;
  const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (size <= 0) {
    return false;
  }
  std::string_view bytes{buffer.data(), static_cast<std::size_t>(size)};
  if (!pending.empty()) {
    bytes = pending.append(bytes);
  }
  std::size_t end = bytes.find("\r\n\r\n");
  for (; end != std::string_view::npos; end = bytes.find("\r\n\r\n")) {
    if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer.size())) {
      return false;
    }
    bytes.remove_prefix(end + 4);
  }
  if (!pending.empty() || !bytes.empty()) {
    pending = std::string{bytes};
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: epoll_floor PORT\n", stderr);
    return 2;
  }
  const int listener = listen_on(static_cast<std::uint16_t>(std::atoi(argv[1])));
  if (listener < 0) {
    return 1;
  }
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  watch(epoll, listener);
  std::unordered_map<int, std::string> pending;
  std::array<epoll_event, 256> events;
  for (;;) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        for (int client = 0; (client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
          watch(epoll, client);
        }
      } else if (!serve(fd, pending[fd])) {
        pending.erase(fd);
        ::close(fd);
      }
    }
  }
}
