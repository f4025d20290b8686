// Where a Redis is and how to log in, from one URL.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "coffer/base/ascii.hpp"
#include "coffer/net/tls.hpp"

namespace coffer::redis {

/// The parts of a URL.
struct server_url {
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

namespace detail {

/// sockaddr_un::sun_path, less its closing zero.
inline constexpr std::size_t max_socket_path = 107;

using refusal = std::unexpected<std::string>;

inline std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? ascii::hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? ascii::hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0 || (high == 0 && low == 0)) {
      return std::nullopt;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

template <typename Number>
std::optional<Number> number(std::string_view text, Number lowest, Number highest) {
  Number value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || value < lowest || value > highest) {
    return std::nullopt;
  }
  return value;
}

/// Cuts "user:password@", ":password@" or "password@" off the front of `rest`. The last @ counts.
inline std::optional<std::string> take_login(std::string_view& rest, server_url& into) {
  const std::size_t at = rest.rfind('@');
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view login = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  const std::size_t colon = login.find(':');
  const auto user = decode(colon == std::string_view::npos ? std::string_view{} : login.substr(0, colon));
  const auto password = decode(colon == std::string_view::npos ? login : login.substr(colon + 1));
  if (!user || !password) {
    return "the user or the password has a malformed percent encoding";
  }
  if (password->empty()) {
    return "there is an @ but no password before it";
  }
  into.user = *user;
  into.password = *password;
  return std::nullopt;
}

inline std::optional<std::string> set_database(std::string_view text, server_url& into) {
  const auto value = number<int>(text, 0, 1'000'000);
  if (!value) {
    return fmt::format("the database is not a number from 0 on: '{}'", text);
  }
  into.database = *value;
  return std::nullopt;
}

inline std::optional<std::string> read_unix(std::string_view rest, server_url& into) {
  std::string_view query;
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  if (auto wrong = take_login(rest, into)) {
    return wrong;
  }
  const auto path = decode(rest);
  if (!path || !path->starts_with('/')) {
    return "unix:// needs the absolute path of a socket, e.g. unix:///run/redis/redis.sock";
  }
  if (path->size() > max_socket_path) {
    return fmt::format("the path of the socket is longer than {} bytes", max_socket_path);
  }
  into.path = *path;
  if (query.empty()) {
    return std::nullopt;
  }
  if (!query.starts_with("db=")) {
    return fmt::format("the only parameter is db, not '{}'", query);
  }
  return set_database(query.substr(3), into);
}

/// "host", "host:port", "[v6]" or "[v6]:port".
inline std::optional<std::string> read_host(std::string_view authority, server_url& into) {
  std::string_view host = authority;
  std::optional<std::string_view> port;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) {
      return "the [ before the host is never closed";
    }
    host = authority.substr(1, end - 1);
    const std::string_view after = authority.substr(end + 1);
    if (!after.empty() && after[0] != ':') {
      return "something other than a port follows the host";
    }
    if (!after.empty()) {
      port = after.substr(1);
    }
  } else if (const std::size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  const auto decoded = decode(host);
  if (!decoded || decoded->empty()) {
    return "it names no host";
  }
  into.host = *decoded;
  if (port) {
    const auto value = number<std::uint16_t>(*port, 1, 65535);
    if (!value) {
      return "the port is not a number from 1 to 65535";
    }
    into.port = *value;
  }
  return std::nullopt;
}

/// "cacert=FILE&cert=FILE&key=FILE&sni=NAME", any of them.
inline std::optional<std::string> read_tls(std::string_view query, net::tls_peer& into) {
  const std::array<std::pair<std::string_view, std::string*>, 4> known = {
      {{"cacert", &into.authorities}, {"cert", &into.certificate}, {"key", &into.key}, {"sni", &into.name}}};
  while (!query.empty()) {
    const std::string_view each = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(each.size() + 1, query.size()));
    const std::string_view name = each.substr(0, each.find('='));
    const auto value = decode(each.substr(std::min(name.size() + 1, each.size())));
    const auto* const found =
        std::find_if(known.begin(), known.end(), [name](const auto& k) { return k.first == name; });
    if (found == known.end()) {
      return fmt::format("the only parameters are cacert, cert, key and sni, not '{}'", name);
    }
    if (!value || value->empty() || !found->second->empty()) {
      return fmt::format("the parameter {} has no value, a malformed one, or more than one", name);
    }
    *found->second = *value;
  }
  if (into.certificate.empty() != into.key.empty()) {
    return "the parameters cert and key need each other";
  }
  return std::nullopt;
}

inline std::optional<std::string> read_tcp(std::string_view rest, server_url& into) {
  const std::size_t mark = rest.find_first_of("?#");
  if (mark != std::string_view::npos) {
    if (!into.tls || rest[mark] == '#') {
      return into.tls ? "there is a # in it" : "redis:// takes no parameters";
    }
    if (auto wrong = read_tls(rest.substr(mark + 1), *into.tls)) {
      return wrong;
    }
    rest = rest.substr(0, mark);
  }
  const std::size_t slash = rest.find('/', rest.rfind('@') == std::string_view::npos ? 0 : rest.rfind('@'));
  std::string_view authority = rest.substr(0, slash);
  const std::string_view database = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  if (auto wrong = take_login(authority, into)) {
    return wrong;
  }
  if (auto wrong = read_host(authority, into)) {
    return wrong;
  }
  if (into.tls && into.tls->name.empty()) {
    into.tls->name = into.host;
  }
  return database.empty() ? std::nullopt : set_database(database, into);
}

}  // namespace detail

inline std::string server_url::to_string() const {
  if (!path.empty()) {
    return fmt::format("unix://{}?db={}", path, database);
  }
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}/{}", tls ? "rediss" : "redis", v6 ? "[" : "", host, v6 ? "]" : "", port, database);
}

/// Reads `redis://[[user]:password@]host[:port][/database]` or `unix://[[user]:password@]/path[?db=N]`, with percent
/// encoding in every part; `redis://password@host` is a password alone. `rediss://` is the same over TLS, with the
/// parameters `cacert` (who is trusted), `cert` and `key` (what is shown) and `sni` (the name that the certificate must
/// be for, else the host). The error is a sentence for the person who wrote the URL; it never repeats the password.
inline std::expected<server_url, std::string> parse_url(std::string_view url) {
  constexpr std::string_view tcp = "redis://";
  constexpr std::string_view tls = "rediss://";
  constexpr std::string_view local = "unix://";
  server_url parsed;
  std::optional<std::string> wrong;
  if (url.starts_with(tcp)) {
    wrong = detail::read_tcp(url.substr(tcp.size()), parsed);
  } else if (url.starts_with(local)) {
    wrong = detail::read_unix(url.substr(local.size()), parsed);
  } else if (url.starts_with(tls)) {
    parsed.tls.emplace();
    wrong = detail::read_tcp(url.substr(tls.size()), parsed);
  } else {
    wrong = "it starts with none of redis://, rediss:// and unix://";
  }
  if (wrong) {
    return detail::refusal{"the Redis URL is malformed: " + *wrong};
  }
  return parsed;
}

}  // namespace coffer::redis
