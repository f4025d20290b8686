// What browsers do on behalf of pages: which of them may read answers, and which names a server answers to.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "coffer/base/ascii.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"

namespace coffer::api {

namespace detail {

inline constexpr std::string_view lower_letters = "abcdefghijklmnopqrstuvwxyz";

inline constexpr std::string_view host_characters = "abcdefghijklmnopqrstuvwxyz0123456789-._";

inline constexpr std::string_view allowed_methods = "GET, HEAD, POST, PATCH, DELETE";

inline constexpr std::string_view allowed_headers =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, traceparent, tracestate";

inline constexpr std::string_view exposed_headers =
    "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, Idempotent-Replayed, X-Request-Id, Cache-Status, Allow, "
    "Accept, Accept-Patch, WWW-Authenticate, X-Next-Cursor, traceparent";

/// Seconds for which a browser need not ask again: the most that the common ones take.
inline constexpr std::string_view preflight_age = "7200";

inline bool only(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

inline bool is_v6(std::string_view text) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET6, std::string{text}.c_str(), &ignored) == 1;
}

inline bool is_v4(std::string_view text) {
  in_addr ignored{};
  return ::inet_pton(AF_INET, std::string{text}.c_str(), &ignored) == 1;
}

inline bool is_loopback(std::string_view host) {
  in6_addr address{};
  return (is_v4(host) && host.starts_with("127.")) ||
         (::inet_pton(AF_INET6, std::string{host}.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address));
}

/// A host name, an IPv4 address, or an IPv6 address in brackets.
inline bool is_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    return is_v6(host.substr(1, host.size() - 2));
  }
  return only(host, host_characters) && host.size() <= 253;
}

/// The host of "host", "host:port", "[v6]" or "[v6]:port", without brackets.
inline std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    return end == std::string_view::npos ? std::string_view{} : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

/// Why `origin`, in lower case, is none that a browser would send; nullopt when it is one.
inline std::optional<std::string> why_no_origin(std::string_view origin) {
  const std::size_t mark = origin.find("://");
  if (mark == std::string_view::npos) {
    return "has no scheme, such as https://";
  }
  const std::string_view scheme = origin.substr(0, mark);
  std::string_view host = origin.substr(mark + 3);
  if (!only(scheme.substr(0, 1), lower_letters) || !only(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.")) {
    return "has a malformed scheme";
  }
  if (host.find_first_of("/?#") != std::string_view::npos) {
    return "has something behind the host: an origin ends there, without a slash";
  }
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    const std::string_view port = host.substr(colon + 1);
    host = host.substr(0, colon);
    if (!only(port, "0123456789") || port.size() > 5 || port.starts_with('0')) {
      return "has a malformed port";
    }
    if ((scheme == "http" && port == "80") || (scheme == "https" && port == "443")) {
      return "names the scheme's own port, which browsers leave out";
    }
  }
  if (!is_host(host)) {
    return "has a malformed host, or a pattern: origins are compared as a whole";
  }
  return std::nullopt;
}

inline std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> all;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    std::string_view each = text.substr(0, comma);
    more = comma != std::string_view::npos;
    text.remove_prefix(more ? comma + 1 : text.size());
    while (each.starts_with(' ')) each.remove_prefix(1);
    while (each.ends_with(' ')) each.remove_suffix(1);
    all.push_back(ascii::to_lower(each));
  }
  return all;
}

}  // namespace detail

/// Cross-Origin Resource Sharing (Fetch standard, section 3.2): lets pages of other origins send requests with a token
/// and read the answers. Cookies play no part.
class cors {
 public:
  /// The most origins that may be named.
  static constexpr std::size_t max_origins = 64;

  /// For nobody.
  cors() = default;

  /// Reads origins with commas between them, or `*` alone for all. An origin is what browsers send: a scheme, a host,
  /// and a port where it is not the scheme's own. The error names the one that is none, and why.
  static std::expected<cors, std::string> parse(std::string_view text);

  /// A preflight is asked by the browser, not by the page; no other handler sees it.
  [[nodiscard]] bool is_preflight(const http::request& r) const;
  [[nodiscard]] http::response answer_preflight() const;

  /// Adds what the browser needs in order to let the page read this answer.
  void describe(const http::request& r, http::response& answer) const;

 private:
  bool any_ = false;
  std::vector<std::string> origins_;
};

/// The names under which a server may be asked. One without credentials is protected by nothing but its address: a page
/// in a browser on the same machine could reach it under a name of its own (DNS rebinding).
class host_guard {
 public:
  /// Under any name.
  host_guard() = default;

  /// Under localhost and loopback addresses; under the address that it listens on, any where that stands for all; and
  /// under `names`, host names and IP addresses with commas between them.
  host_guard(std::string_view listen_host, std::string_view names);

  /// Whether such a list of names is one.
  static bool accepts(std::string_view names);

  /// Whether this request names the server so. Without Host it comes from no browser.
  [[nodiscard]] bool admits(const http::request& r) const;

 private:
  bool guards_ = false;
  bool any_address_ = false;
  std::vector<std::string> names_;
};

inline std::expected<cors, std::string> cors::parse(std::string_view text) {
  cors made;
  if (text == "*") {
    made.any_ = true;
    return made;
  }
  made.origins_ = detail::split_list(text);
  for (const std::string& each : made.origins_) {
    if (const auto why = each == "*" ? "stands for all, so it must stand alone" : detail::why_no_origin(each)) {
      return std::unexpected{fmt::format("'{}' {}", each, *why)};
    }
  }
  if (made.origins_.size() > max_origins) {
    return std::unexpected{fmt::format("there are more than {} origins", max_origins)};
  }
  return made;
}

inline bool cors::is_preflight(const http::request& r) const {
  return (any_ || !origins_.empty()) && r.verb == http::method::options && r.header("Origin") &&
         r.header("Access-Control-Request-Method");
}

inline http::response cors::answer_preflight() const {
  http::response answer{204};
  answer.add("Access-Control-Allow-Methods", std::string{detail::allowed_methods});
  answer.add("Access-Control-Allow-Headers", std::string{detail::allowed_headers});
  answer.add("Access-Control-Max-Age", std::string{detail::preflight_age});
  return answer;
}

inline void cors::describe(const http::request& r, http::response& answer) const {
  if (!any_ && origins_.empty()) {
    return;
  }
  if (!any_) {
    answer.add("Vary", "Origin");
  }
  const auto origin = r.header("Origin");
  if (!origin || r.count("Origin") > 1 ||
      (!any_ && std::find(origins_.begin(), origins_.end(), *origin) == origins_.end())) {
    return;
  }
  answer.add("Access-Control-Allow-Origin", any_ ? std::string{"*"} : std::string{*origin});
  answer.add("Access-Control-Expose-Headers", std::string{detail::exposed_headers});
}

inline host_guard::host_guard(std::string_view listen_host, std::string_view names)
    : guards_{true}, any_address_{listen_host == "0.0.0.0" || listen_host == "::"} {
  if (!names.empty()) {
    names_ = detail::split_list(names);
  }
  for (std::string& each : names_) {
    each = std::string{detail::host_of(each)};
  }
  names_.emplace_back(listen_host);
}

inline bool host_guard::accepts(std::string_view names) {
  const std::vector<std::string> all = detail::split_list(names);
  return std::all_of(all.begin(), all.end(), detail::is_host) && all.size() <= cors::max_origins;
}

inline bool host_guard::admits(const http::request& r) const {
  if (!guards_) {
    return true;
  }
  const auto given = r.header("Host");
  if (!given) {
    return true;
  }
  const std::string host = ascii::to_lower(detail::host_of(*given));
  return detail::is_loopback(host) || host == "localhost" || host.ends_with(".localhost") ||
         (any_address_ && (detail::is_v4(host) || detail::is_v6(host))) ||
         std::find(names_.begin(), names_.end(), host) != names_.end();
}

}  // namespace coffer::api
