#include "support/read_ahead.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <fmt/format.h>

namespace coffer::test {

namespace {

using namespace std::chrono_literals;

/// How long nothing happens when nothing will: an acknowledgement may be 200 ms late (TCP_DELACK_MAX).
constexpr auto rest = 300ms;

std::uint16_t local_port(int socket) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size);
  return ntohs(at.sin_port);
}

/// Bytes that have arrived at `port` from `from` and that nobody has read (proc(5), /proc/net/tcp).
std::size_t unread_at(std::uint16_t port, std::uint16_t from) {
  const std::string ends = fmt::format("0100007F:{:04X} 0100007F:{:04X} ", port, from);
  std::ifstream table{"/proc/net/tcp"};
  for (std::string line; std::getline(table, line);) {
    if (const auto at = line.find(ends); at != std::string::npos) {
      // Behind the addresses: st tx_queue:rx_queue
      return std::stoul(line.substr(line.find(':', at + ends.size()) + 1), nullptr, 16);
    }
  }
  throw std::runtime_error("the server's end of the connection is not in /proc/net/tcp");
}

std::size_t in_kernel(const http_client& client) {
  int unacknowledged = 0;
  ::ioctl(client.native(), SIOCOUTQ, &unacknowledged);
  return static_cast<std::size_t>(unacknowledged) + unread_at(client.port(), local_port(client.native()));
}

}  // namespace

std::size_t send_until_full(const http_client& client, std::string_view text, std::size_t most) {
  std::size_t sent = 0;
  pollfd room{client.native(), POLLOUT, 0};
  while (sent < most && ::poll(&room, 1, static_cast<int>(rest.count())) == 1) {
    const std::string_view next = text.substr(sent % text.size());
    const ssize_t size = ::send(client.native(), next.data(), next.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0) {
      break;
    }
    sent += static_cast<std::size_t>(size);
  }
  return sent;
}

std::size_t read_by_peer(const http_client& client, std::size_t sent) {
  const auto end = std::chrono::steady_clock::now() + 10s;
  std::size_t waiting = in_kernel(client);
  auto since = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - since < rest) {
    std::this_thread::sleep_for(10ms);
    if (const std::size_t now = in_kernel(client); now != waiting) {
      waiting = now;
      since = std::chrono::steady_clock::now();
    }
    if (since > end) {
      throw std::runtime_error("the server reads on and on");
    }
  }
  return sent - waiting;
}

}  // namespace coffer::test
