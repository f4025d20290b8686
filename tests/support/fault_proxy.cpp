#include "support/fault_proxy.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "support/fault_proxy_link.hpp"

namespace coffer::test {

namespace {

using detail::link;

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error{std::string{"fault proxy: "} + what + ": " + std::strerror(errno)};
}

int connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return -1;
  }
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

int connect_tcp(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return -1;
  }
  int fd = -1;
  for (const addrinfo* at = found; at != nullptr && fd < 0; at = at->ai_next) {
    fd = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
      ::close(fd);
      fd = -1;
    }
  }
  ::freeaddrinfo(found);
  return fd;
}

}  // namespace

struct fault_proxy::impl {
  impl(std::string upstream_host, std::uint16_t upstream_port, protocol with)
      : host{std::move(upstream_host)}, upstream{upstream_port}, spoken{with} {
    wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    listen();
    worker = std::thread{[this] { run(); }};
  }

  ~impl() {
    locked([this] { stopping = true; });
    worker.join();
    links.clear();
    close_listener();
    ::close(wake_fd);
  }

  /// Changes the state under the lock and lets the worker look at it.
  template <typename Change>
  void locked(Change change) {
    {
      const std::scoped_lock lock{mutex};
      change();
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_fd, &one, sizeof(one));
  }

  void listen() {
    if (listener >= 0) {
      return;
    }
    listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int yes = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      fail("bind");
    }
    if (::listen(listener, 128) != 0) {
      fail("listen");
    }
    socklen_t size = sizeof(address);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }

  void close_listener() {
    if (listener >= 0) {
      ::close(std::exchange(listener, -1));
    }
  }

  void accept_one() {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) {
      return;
    }
    ++accepted;
    const int yes = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    const int server = host.starts_with('/') ? connect_unix(host) : connect_tcp(host, upstream);
    if (server < 0) {
      ::close(client);
      return;
    }
    ::setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    links.push_back(std::make_unique<link>(client, server, spoken));
    if (stall_new) {
      links.back()->stall();
    }
  }

  void run() {
    for (;;) {
      std::vector<pollfd> polled;
      {
        const std::scoped_lock lock{mutex};
        if (stopping) {
          return;
        }
        polled.push_back({wake_fd, POLLIN, 0});
        polled.push_back({listener, POLLIN, 0});  // a negative descriptor is skipped
        for (const auto& l : links) {
          polled.push_back(watched(l->client(), l->reads_client(), l->writes_client()));
          polled.push_back(watched(l->server(), l->reads_server(), l->writes_server()));
        }
      }
      ::poll(polled.data(), polled.size(), -1);
      const std::scoped_lock lock{mutex};
      serve(polled);
    }
  }

  /// A side of which nothing is wanted is not polled: a hang-up would be reported for ever.
  static pollfd watched(int fd, bool reads, bool writes) {
    const int events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);
    return {events == 0 ? -1 : fd, static_cast<short>(events), 0};
  }

  void serve(const std::vector<pollfd>& polled) {
    std::uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t count = ::read(wake_fd, &ignored, sizeof(ignored));
    // Links may have been added or cut between the two locks: descriptors are looked up, not counted.
    for (const auto& l : links) {
      for (std::size_t i = 2; i < polled.size(); ++i) {
        const bool readable = (polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
        if (readable && polled[i].fd == l->client() && l->reads_client()) {
          l->read_client();
        } else if (readable && polled[i].fd == l->server() && l->reads_server()) {
          l->read_server();
        }
      }
      l->pump(plan);
    }
    std::erase_if(links, [](const auto& l) { return l->finished(); });
    if (listener >= 0 && polled[1].fd == listener && polled[1].revents != 0) {
      accept_one();
    }
    changed.notify_all();
  }

  std::string host;
  std::uint16_t upstream;
  protocol spoken;

  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  std::uint16_t port = 0;
  int listener = -1;
  int wake_fd = -1;
  std::size_t accepted = 0;
  bool stall_new = false;
  bool stopping = false;
  detail::fault_plan plan;
  std::vector<std::unique_ptr<link>> links;
  std::thread worker;
};

fault_proxy::fault_proxy(std::string host, std::uint16_t port, protocol spoken)
    : impl_{std::make_unique<impl>(std::move(host), port, spoken)} {}

fault_proxy::~fault_proxy() = default;

std::uint16_t fault_proxy::port() const {
  const std::scoped_lock lock{impl_->mutex};
  return impl_->port;
}

std::vector<std::pair<std::string, std::string>> fault_proxy::keywords() const {
  return {{"host", "127.0.0.1"}, {"port", std::to_string(port())}};
}

void fault_proxy::inject(fault_point at, std::string text, fault_action what, int nth) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); });
  impl_->locked([&] { impl_->plan.statements.push_back({at, std::move(text), what, nth}); });
}

void fault_proxy::inject_after_client_bytes(std::size_t count, fault_action what) {
  impl_->locked([&] { impl_->plan.client_bytes = detail::byte_rule{count, what}; });
}

void fault_proxy::inject_after_server_bytes(std::size_t count, fault_action what) {
  impl_->locked([&] { impl_->plan.server_bytes = detail::byte_rule{count, what}; });
}

int fault_proxy::injected() const {
  const std::scoped_lock lock{impl_->mutex};
  return impl_->plan.struck;
}

bool fault_proxy::wait_injected(int count, std::chrono::milliseconds limit) const {
  std::unique_lock lock{impl_->mutex};
  return impl_->changed.wait_for(lock, limit, [&] { return impl_->plan.struck >= count; });
}

void fault_proxy::cut_all() {
  impl_->locked([this] { impl_->links.clear(); });
}

void fault_proxy::stall_all() {
  impl_->locked([this] {
    impl_->stall_new = true;
    for (const auto& l : impl_->links) {
      l->stall();
    }
  });
}

void fault_proxy::resume() {
  impl_->locked([this] {
    impl_->stall_new = false;
    for (const auto& l : impl_->links) {
      l->resume();
    }
  });
}

void fault_proxy::refuse() {
  impl_->locked([this] { impl_->close_listener(); });
}

void fault_proxy::accept_again() {
  impl_->locked([this] { impl_->listen(); });
}

void fault_proxy::heal() {
  impl_->locked([this] {
    impl_->plan.statements.clear();
    impl_->plan.client_bytes.reset();
    impl_->plan.server_bytes.reset();
    impl_->listen();
  });
  resume();
}

std::size_t fault_proxy::connections() const {
  const std::scoped_lock lock{impl_->mutex};
  return impl_->links.size();
}

std::size_t fault_proxy::accepted() const {
  const std::scoped_lock lock{impl_->mutex};
  return impl_->accepted;
}

}  // namespace coffer::test
