// What a service manager hands over and is told, without libsystemd: listening sockets (sd_listen_fds(3),
// systemd.socket(5)); ready, stopping, alive (sd_notify(3), systemd.service(5)).
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/app/settings.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/net/listener.hpp"
#include "coffer/net/task.hpp"

namespace coffer::app {

/// What was handed over; no descriptor where nothing was.
struct inherited_sockets {
  net::owned_fd api;
  net::owned_fd admin;  ///< the one with FileDescriptorName=admin
};

/// Takes the sockets that LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES tell of; none when they are meant for another
/// process. Throws std::runtime_error for what cannot be made sense of, naming the remedy. Once per process: the
/// descriptors belong to the result.
inline inherited_sockets take_inherited_sockets(const variables& env) {
  constexpr int first_socket = 3;  // SD_LISTEN_FDS_START
  inherited_sockets all;
  const auto whose = parse_integer(env("LISTEN_PID").value_or(""));
  const auto count = parse_integer(env("LISTEN_FDS").value_or(""));
  if (!whose || *whose != ::getpid() || !count || *count < 1) {
    return all;
  }
  if (*count > 2) {
    throw std::runtime_error{fmt::format(
        "{} sockets were handed over (LISTEN_FDS): coffer serves one for the API and one for metrics", *count)};
  }
  std::string names = env("LISTEN_FDNAMES").value_or("");
  for (int fd = first_socket; fd < first_socket + *count; ++fd) {
    const std::string name = names.substr(0, names.find(':'));
    names.erase(0, name.size() + 1);
    net::owned_fd& place = name == "admin" ? all.admin : all.api;
    if (place.get() >= 0) {
      throw std::runtime_error{
          fmt::format("two sockets were handed over for the {}: give the one for metrics FileDescriptorName=admin in "
                      "its .socket unit",
                      name == "admin" ? "metrics" : "API")};
    }
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    place.reset(fd);
  }
  return all;
}

/// The way to the manager, from the variables NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Does nothing without one.
class service_manager {
 public:
  /// Reads the variables, does not keep them.
  explicit service_manager(const variables& env) : socket_{env("NOTIFY_SOCKET").value_or("")} {
    const auto limit = parse_integer(env("WATCHDOG_USEC").value_or(""));
    const auto whose = parse_integer(env("WATCHDOG_PID").value_or(""));
    if (!socket_.empty() && limit && *limit > 0 && (!whose || *whose == ::getpid())) {
      watchdog_ = std::chrono::microseconds{*limit};
    }
  }

  /// Sends lines such as "READY=1". What cannot be sent is lost: the manager is not there to be waited for.
  void tell(std::string_view lines) const noexcept {
    sockaddr_un to{};
    if (socket_.empty() || socket_.size() >= sizeof to.sun_path) {
      return;
    }
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, socket_.data(), socket_.size());
    // '@' stands for the NUL of an abstract name (unix(7)).
    if (to.sun_path[0] == '@') {
      to.sun_path[0] = '\0';
    }
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    const net::owned_fd from{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (from.get() >= 0) {
      static_cast<void>(
          ::sendto(from.get(), lines.data(), lines.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size));
    }
  }

  /// How long the manager waits for a sign of life; nullopt: it does not.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

 private:
  std::string socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

/// Says regularly that every event loop still turns: asks each, and stays silent as long as one has not answered.
class loop_watch {
 public:
  /// `alive` is called every `interval` on the executor `own` after all of `loops` have answered.
  loop_watch(net::executor own, std::vector<net::executor> loops, std::chrono::microseconds interval,
             std::function<void()> alive)
      : timer_{own}, loops_{std::move(loops)}, interval_{interval}, alive_{std::move(alive)} {}

  /// Until stop().
  net::task<> run() {
    while (!stopping_) {
      // Owned by the questions too: a loop that is stuck may answer after this has ended.
      const auto silent = std::make_shared<std::atomic<std::size_t>>(loops_.size());
      for (const net::executor& each : loops_) {
        asio::post(each, [silent] { silent->fetch_sub(1); });
      }
      bool answered = false;
      while (!answered && !stopping_) {
        timer_.expires_after(interval_);
        co_await timer_.async_wait(net::as_tuple);
        answered = silent->load() == 0;
      }
      if (!stopping_) {
        alive_();
      }
    }
  }
  /// On the thread of `own`.
  void stop() {
    stopping_ = true;
    timer_.cancel();
  }

 private:
  net::steady_timer timer_;
  std::vector<net::executor> loops_;
  std::chrono::microseconds interval_;
  std::function<void()> alive_;
  bool stopping_ = false;
};

}  // namespace coffer::app
