// Accepts connections on one address. Knows nothing of what is spoken on them.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coffer/base/clock.hpp"
#include "coffer/base/log.hpp"
#include "coffer/net/task.hpp"

namespace coffer::net {

/// A descriptor that is closed unless it was released.
class owned_fd {
 public:
  explicit owned_fd(int fd = -1) noexcept : fd_{fd} {}
  owned_fd(owned_fd&& other) noexcept : fd_{other.release()} {}
  owned_fd& operator=(owned_fd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~owned_fd() { reset(-1); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd) noexcept;

 private:
  int fd_;
};

/// A listening TCP socket and its accept loop, used on one thread. It survives running out of descriptors: it pauses,
/// leaves connections in the backlog, and when that lasts refuses the oldest with the help of a spare descriptor.
class listener {
 public:
  /// Why accepting pauses.
  enum class pause : std::uint8_t { no_room, no_descriptors, failing };

  /// What happens to connections. Called on the executor's thread.
  struct callbacks {
    /// Whether one more may be accepted; when not, connections wait in the backlog until resume().
    std::function<bool()> has_room;
    /// Takes a connected, non-blocking socket and the client's address.
    std::function<void(owned_fd, std::string)> accepted;
    /// Writes a short refusal to a socket that is closed afterwards.
    std::function<void(int)> refused;
    /// Counts.
    std::function<void(pause)> paused;
  };

  listener(executor ex, callbacks c) : state_{std::make_shared<state>(std::move(ex), std::move(c))} {}
  ~listener() = default;
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  /// Binds "host:port" or "[v6]:port"; port 0 takes a free one. Throws std::invalid_argument for what is no address
  /// and std::system_error for one that cannot be had, both naming it.
  void open(const std::string& address);

  /// Takes a socket that listens already and that others hold too: close() then leaves its backlog to them. Throws
  /// std::runtime_error for what is no listening TCP socket.
  void open(owned_fd listening);

  /// The bound port; 0 before open().
  [[nodiscard]] std::uint16_t port() const noexcept;

  /// Accepts until close(). Spawn it once.
  task<> run();

  /// Goes on after has_room() said no.
  void resume();

  /// Of a shared socket: stops accepting. Else turns newcomers away, accepts what is in the backlog, whatever
  /// has_room() says, and the handshakes that were under way (handshake_grace at most), then stops listening. run()
  /// ends soon after. A later call returns at once.
  task<> close();

 private:
  struct state;
  std::shared_ptr<state> state_;
};

namespace detail {

/// How long accepting pauses when there are no descriptors, or it fails.
inline constexpr auto accept_pause = 100ms;

/// Pauses in a row before connections are refused instead of left waiting: 1 s.
inline constexpr int patience = 10;

/// How long handshakes that were under way when the listener was closed have to end: a slow client's round trip.
inline constexpr auto handshake_grace = 100ms;
inline constexpr auto handshake_pause = 5ms;

/// Connections accepted before others get their turn.
inline constexpr int batch = 64;

struct host_and_port {
  std::string host;
  std::string port;
};

inline host_and_port split(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
    throw std::invalid_argument(fmt::format("\"{}\" is not an address: write host:port, e.g. 127.0.0.1:8080", address));
  }
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  return {std::move(host), address.substr(colon + 1)};
}

/// The first address that a name stands for. Blocks on DNS for names other than addresses and localhost.
inline asio::ip::tcp::endpoint resolve(const std::string& address) {
  const host_and_port parts = split(address);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* raw = nullptr;
  const int failure = ::getaddrinfo(parts.host.c_str(), parts.port.c_str(), &hints, &raw);
  if (failure != 0) {
    throw std::invalid_argument(fmt::format("\"{}\" is not an address: {}", address, ::gai_strerror(failure)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> found{raw, &::freeaddrinfo};
  asio::ip::tcp::endpoint endpoint;
  std::memcpy(endpoint.data(), found->ai_addr, found->ai_addrlen);
  endpoint.resize(found->ai_addrlen);
  return endpoint;
}

/// "127.0.0.1", "::1"; an IPv4 client of an IPv6 socket as IPv4.
inline std::string address_text(const sockaddr_storage& from) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (from.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &from, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  } else {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &from, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  }
  const std::string_view whole{text.data()};
  constexpr std::string_view mapped = "::ffff:";
  const bool is_mapped = whole.starts_with(mapped) && whole.find('.') != std::string_view::npos;
  return std::string{is_mapped ? whole.substr(mapped.size()) : whole};
}

inline int open_spare() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace detail

inline void owned_fd::reset(int fd) noexcept {
  if (fd_ >= 0) {
    ::close(fd_);
  }
  fd_ = fd;
}

/// Shared with run() and close(), whose coroutines may be resumed once more when the listener is gone.
struct listener::state {
  state(const executor& ex, callbacks c) : calls{std::move(c)}, acceptor{ex}, wake{ex} {}

  /// How an attempt to accept ended.
  enum class outcome : std::uint8_t { accepted, backlog_empty, no_descriptors, failed };

  outcome accept_one();
  outcome accept_some();
  void accept_backlog();
  void refuse_oldest();

  callbacks calls;
  tcp_acceptor acceptor;
  steady_timer wake;  ///< the pauses; resume() and close() cut them short
  owned_fd spare{detail::open_spare()};
  std::uint16_t port = 0;
  int failure = 0;  ///< errno of the last outcome::failed
  bool closing = false;
  bool shared = false;  ///< others hold the socket too
};

inline listener::state::outcome listener::state::accept_one() {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  auto* address = reinterpret_cast<sockaddr*>(&from);
  owned_fd fd{::accept4(acceptor.native_handle(), address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
  if (fd.get() >= 0) {
    calls.accepted(std::move(fd), detail::address_text(from));
    return outcome::accepted;
  }
  switch (errno) {
    case EAGAIN:
      return outcome::backlog_empty;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return outcome::no_descriptors;
    default:
      // The connection is gone already (ECONNABORTED and network errors), or the socket is of no use.
      failure = errno;
      return outcome::failed;
  }
}

/// Accepts until the backlog is empty, there is no room, or others should have a turn. Only failures are a failure.
inline listener::state::outcome listener::state::accept_some() {
  outcome best = outcome::failed;
  for (int i = 0; i < detail::batch && calls.has_room(); ++i) {
    const outcome result = accept_one();
    if (result == outcome::backlog_empty || result == outcome::no_descriptors) {
      return result;
    }
    if (result == outcome::accepted) {
      best = result;
    }
  }
  return best;
}

/// Accepts until the backlog is empty, there are no descriptors, or nothing but failures.
inline void listener::state::accept_backlog() {
  for (int failures = 0; failures < detail::batch;) {
    const outcome last = accept_one();
    if (last == outcome::backlog_empty || last == outcome::no_descriptors) {
      return;
    }
    failures = last == outcome::failed ? failures + 1 : 0;
  }
}

/// Gives the spare descriptor to the oldest connection of the backlog, for as long as its refusal takes.
inline void listener::state::refuse_oldest() {
  spare.reset(-1);
  {
    const owned_fd fd{::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (fd.get() >= 0) {
      calls.refused(fd.get());
    }
  }
  spare.reset(detail::open_spare());
}

inline void listener::open(const std::string& address) {
  const asio::ip::tcp::endpoint endpoint = detail::resolve(address);
  try {
    tcp_acceptor& a = state_->acceptor;
    a.open(endpoint.protocol());
    a.set_option(asio::socket_base::reuse_address{true});
    // Accepted sockets inherit it: an answer is sent at once.
    a.set_option(asio::ip::tcp::no_delay{true});
    a.bind(endpoint);
    a.listen(SOMAXCONN);
    a.non_blocking(true);
    state_->port = a.local_endpoint().port();
  } catch (const std::system_error& e) {
    throw std::system_error(e.code(), fmt::format("cannot listen on {}", address));
  }
}

/// "127.0.0.1:8080" or "[::1]:8080" of a bound TCP socket. Throws std::runtime_error for anything else.
inline std::string bound_address(int socket) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  int type = 0;
  socklen_t type_size = sizeof type;
  const bool known = ::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size) == 0 &&
                     ::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0;
  if (!known || type != SOCK_STREAM || (at.ss_family != AF_INET && at.ss_family != AF_INET6)) {
    throw std::runtime_error{fmt::format("descriptor {} is no TCP socket", socket)};
  }
  asio::ip::tcp::endpoint endpoint;
  std::memcpy(endpoint.data(), &at, size);
  endpoint.resize(size);
  const std::string host = detail::address_text(at);
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, endpoint.port())
                                             : fmt::format("[{}]:{}", host, endpoint.port());
}

inline void listener::open(owned_fd listening) {
  const std::string address = bound_address(listening.get());
  int listens = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(listening.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) {
    throw std::runtime_error{fmt::format("the socket on {} does not listen", address)};
  }
  tcp_acceptor& a = state_->acceptor;
  a.assign(address.starts_with('[') ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), listening.get());
  listening.release();
  a.set_option(asio::ip::tcp::no_delay{true});
  a.non_blocking(true);
  state_->port = a.local_endpoint().port();
  state_->shared = true;
}

inline task<> listener::run() {
  const std::shared_ptr<state> s = state_;
  int shortages = 0;
  bool failing = false;
  while (!s->closing) {
    if (!s->calls.has_room()) {
      s->calls.paused(pause::no_room);
      s->wake.expires_at(deadline::max());
      co_await s->wake.async_wait(as_tuple);
      continue;
    }
    const state::outcome result = s->accept_some();
    if (result == state::outcome::no_descriptors) {
      s->calls.paused(pause::no_descriptors);
      if (shortages == 0) {
        log::warn("out of descriptors, accepting pauses", {{"port", s->port}});
      }
      if (++shortages > detail::patience) {
        s->refuse_oldest();
      }
      s->wake.expires_after(detail::accept_pause);
      co_await s->wake.async_wait(as_tuple);
      continue;
    }
    shortages = 0;
    if (result == state::outcome::failed) {
      s->calls.paused(pause::failing);
      if (!failing) {
        log::error("connections cannot be accepted",
                   {{"port", s->port}, {"message", std::generic_category().message(s->failure)}});
      }
      failing = true;
      s->wake.expires_after(detail::accept_pause);
      co_await s->wake.async_wait(as_tuple);
      continue;
    }
    failing = false;
    if (result == state::outcome::backlog_empty) {
      co_await s->acceptor.async_wait(tcp_acceptor::wait_read, as_tuple);
    } else {
      co_await asio::post(s->acceptor.get_executor(), use_task);
    }
  }
}

namespace detail {

/// Lets a listening socket drop attempts to connect from now on, while handshakes that have begun are finished and can
/// be accepted: a connection made between the last accept and the closing would be reset. A client whose attempt is
/// dropped tries again and is refused, or reaches the next process. A filter sees the segment from its TCP header on:
/// SYN is set and ACK is not (RFC 9293 section 3.1) in the first one alone. Best effort (socket(7), SO_ATTACH_FILTER).
inline void refuse_newcomers(int fd) noexcept {
  constexpr std::uint32_t flags_offset = 13;
  constexpr std::uint32_t syn = 0x02;
  constexpr std::uint32_t ack = 0x10;
  constexpr std::uint32_t whole_segment = 0xffffffff;
  std::array<sock_filter, 5> drop_first_segments{{
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, flags_offset},
      {BPF_ALU | BPF_AND | BPF_K, 0, 0, syn | ack},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, syn},
      {BPF_RET | BPF_K, 0, 0, 0},
      {BPF_RET | BPF_K, 0, 0, whole_segment},
  }};
  const sock_fprog program{drop_first_segments.size(), drop_first_segments.data()};
  ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

}  // namespace detail

inline task<> listener::close() {
  const std::shared_ptr<state> s = state_;
  if (s->closing) {
    co_return;
  }
  s->closing = true;
  s->wake.cancel();
  if (s->acceptor.is_open() && !s->shared) {
    detail::refuse_newcomers(s->acceptor.native_handle());
    const deadline until = deadline_in(detail::handshake_grace);
    s->accept_backlog();
    while (std::chrono::steady_clock::now() < until) {
      co_await sleep_for(detail::handshake_pause);
      s->accept_backlog();
    }
  }
  asio::error_code ignored;
  s->acceptor.close(ignored);
}

inline std::uint16_t listener::port() const noexcept { return state_->port; }

inline void listener::resume() { state_->wake.cancel(); }

}  // namespace coffer::net
