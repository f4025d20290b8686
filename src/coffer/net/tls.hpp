// Transport Layer Security of a connection, by OpenSSL. Knows no event loop: it says what it waits for.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace coffer::net {

/// What a client demands of a server, and shows it.
struct tls_peer {
  std::string name;  ///< host name or IP address that its certificate must be for; a host name is asked for (SNI)
  std::string authorities;  ///< PEM file with the certificates that are trusted; empty: those of the system
  std::string certificate;  ///< PEM file with the client's certificate and its chain; empty: it shows none
  std::string key;          ///< PEM file with the key of that certificate
};

/// A server's certificate with its key, and what it accepts: TLS 1.2 with forward secrecy and authenticated encryption
/// (RFC 9325 sections 3.1.1 and 4.2), or TLS 1.3; HTTP/1.1 alone (ALPN, RFC 7301). Or what a client
/// trusts. Shared by the connections that began with it. Thread-safe.
class tls_context {
 public:
  /// Reads PEM files: the certificate first and then those that lead to its root, and its key without a passphrase.
  /// Throws std::runtime_error that names the file and what is wrong with it.
  static std::shared_ptr<const tls_context> for_server(const std::string& certificate, const std::string& key);

  /// For a server whose certificate must be good and its own. Throws std::runtime_error that names the file and what is
  /// wrong with it.
  static std::shared_ptr<const tls_context> for_client(const tls_peer& server);

  /// For asking a server that is known by its address: its certificate is not looked at.
  static std::shared_ptr<const tls_context> for_unverified_client();

  ~tls_context();
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

  /// When the first of its certificates to expire does; the epoch for a client.
  [[nodiscard]] std::chrono::sys_seconds expires_at() const noexcept;

 private:
  friend class tls_channel;
  struct state;
  explicit tls_context(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

/// How an attempt to move bytes ended.
enum class io_status : std::uint8_t {
  moved,   ///< some bytes at least
  waits,   ///< nothing can be moved now
  ended,   ///< the peer will send no more
  failed,  ///< the connection is of no use any more
};

/// A status with the number of bytes that were moved.
struct io_result {
  io_status status = io_status::failed;
  std::size_t size = 0;
};

/// The TLS of one connection over its non-blocking socket, which outlives it. Nothing blocks: what cannot go on says
/// so, and waits_for_room() tells what for. Not thread-safe.
class tls_channel {
 public:
  /// How far a handshake is.
  enum class handshake : std::uint8_t {
    done,
    waits,
    failed,
    plain,  ///< the client speaks HTTP without TLS; what it has sent is lost, the socket can be written to
  };

  tls_channel(std::shared_ptr<const tls_context> context, int socket);
  ~tls_channel();
  tls_channel(const tls_channel&) = delete;
  tls_channel& operator=(const tls_channel&) = delete;

  handshake shake_hands();
  io_result read(std::span<char> room);
  io_result write(std::string_view bytes);
  /// Whether there is something to be read, looked for without waiting.
  bool has_input();
  /// Tells the peer that no more will be written (RFC 8446 section 6.1), if the socket takes that at once.
  void finish();

  /// Whether what returned `waits` waits for room to write; else it waits for input.
  [[nodiscard]] bool waits_for_room() const noexcept { return waits_for_room_; }
  /// Why the last step failed, for logs.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }

 private:
  io_status judge(int returned);

  struct engine;
  std::shared_ptr<const tls_context> context_;
  std::unique_ptr<engine> engine_;
  std::string failure_;
  bool waits_for_room_ = false;
  bool shaken_ = false;
};

}  // namespace coffer::net
