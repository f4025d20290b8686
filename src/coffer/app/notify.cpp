#include "coffer/app/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>

#include "coffer/app/settings_values.hpp"
#include "coffer/net/listener.hpp"

namespace coffer::app {

service_manager::service_manager(const variables& env) {
  socket_ = env("NOTIFY_SOCKET").value_or("");
  const auto limit = parse_integer(env("WATCHDOG_USEC").value_or(""));
  const auto whose = parse_integer(env("WATCHDOG_PID").value_or(""));
  if (!socket_.empty() && limit && *limit > 0 && (!whose || *whose == ::getpid())) {
    watchdog_ = std::chrono::microseconds{*limit};
  }
}

void service_manager::tell(std::string_view lines) const noexcept {
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

loop_watch::loop_watch(net::executor own, std::vector<net::executor> loops, std::chrono::microseconds interval,
                       std::function<void()> alive)
    : timer_{own}, loops_{std::move(loops)}, interval_{interval}, alive_{std::move(alive)} {}

void loop_watch::stop() {
  stopping_ = true;
  timer_.cancel();
}

net::task<> loop_watch::run() {
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

}  // namespace coffer::app
