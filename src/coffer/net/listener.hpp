// Accepts connections on one address. Knows nothing of what is spoken on them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

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

/// "127.0.0.1:8080" or "[::1]:8080" of a bound TCP socket. Throws std::runtime_error for anything else.
std::string bound_address(int socket);

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

  listener(executor ex, callbacks c);
  ~listener();
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

}  // namespace coffer::net
