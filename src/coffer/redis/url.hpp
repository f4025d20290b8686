// Where a Redis is and how to log in, from one URL.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "coffer/net/tls.hpp"

namespace coffer::redis {

/// The parts of a URL.
struct address {
  std::string path;  ///< of a unix socket; empty: TCP
  std::string host;  ///< a name or a number, without brackets
  std::uint16_t port = 6379;
  std::string user;  ///< empty: the default user
  std::string password;
  int database = 0;
  std::optional<net::tls_peer> tls;  ///< of rediss://

  /// For logs: without user and password.
  [[nodiscard]] std::string to_string() const;
};

/// Reads `redis://[[user]:password@]host[:port][/database]` or `unix://[[user]:password@]/path[?db=N]`, with percent
/// encoding in every part; `redis://password@host` is a password alone. `rediss://` is the same over TLS, with the
/// parameters `cacert` (who is trusted), `cert` and `key` (what is shown) and `sni` (the name that the certificate must
/// be for, else the host). The error is a sentence for the person who wrote the URL; it never repeats the password.
std::expected<address, std::string> parse_url(std::string_view url);

}  // namespace coffer::redis
