#include "coffer/api/browsers.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

namespace coffer::api {

namespace {

constexpr std::string_view lower_letters = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view host_characters = "abcdefghijklmnopqrstuvwxyz0123456789-._";

constexpr std::string_view allowed_methods = "GET, HEAD, POST, PATCH, DELETE";
constexpr std::string_view allowed_headers =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, traceparent, tracestate";
constexpr std::string_view exposed_headers =
    "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, Idempotent-Replayed, X-Request-Id, Cache-Status, Allow, "
    "Accept, Accept-Patch, WWW-Authenticate, X-Next-Cursor, traceparent";
/// Seconds for which a browser need not ask again: the most that the common ones take.
constexpr std::string_view preflight_age = "7200";

bool only(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

std::string in_lower_case(std::string_view text) {
  std::string lower{text};
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

bool is_v6(std::string_view text) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET6, std::string{text}.c_str(), &ignored) == 1;
}

bool is_v4(std::string_view text) {
  in_addr ignored{};
  return ::inet_pton(AF_INET, std::string{text}.c_str(), &ignored) == 1;
}

bool is_loopback(std::string_view host) {
  in6_addr address{};
  return (is_v4(host) && host.starts_with("127.")) ||
         (::inet_pton(AF_INET6, std::string{host}.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address));
}

/// A host name, an IPv4 address, or an IPv6 address in brackets.
bool is_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    return is_v6(host.substr(1, host.size() - 2));
  }
  return only(host, host_characters) && host.size() <= 253;
}

/// The host of "host", "host:port", "[v6]" or "[v6]:port", without brackets.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    return end == std::string_view::npos ? std::string_view{} : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

/// Why `origin`, in lower case, is none that a browser would send; nullopt when it is one.
std::optional<std::string> why_no_origin(std::string_view origin) {
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

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> all;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    std::string_view each = text.substr(0, comma);
    more = comma != std::string_view::npos;
    text.remove_prefix(more ? comma + 1 : text.size());
    while (each.starts_with(' ')) each.remove_prefix(1);
    while (each.ends_with(' ')) each.remove_suffix(1);
    all.push_back(in_lower_case(each));
  }
  return all;
}

}  // namespace

std::expected<cors, std::string> cors::parse(std::string_view text) {
  cors made;
  if (text == "*") {
    made.any_ = true;
    return made;
  }
  made.origins_ = split_list(text);
  for (const std::string& each : made.origins_) {
    if (const auto why = each == "*" ? "stands for all, so it must stand alone" : why_no_origin(each)) {
      return std::unexpected{fmt::format("'{}' {}", each, *why)};
    }
  }
  if (made.origins_.size() > max_origins) {
    return std::unexpected{fmt::format("there are more than {} origins", max_origins)};
  }
  return made;
}

bool cors::is_preflight(const http::request& r) const {
  return (any_ || !origins_.empty()) && r.verb == http::method::options && r.header("Origin") &&
         r.header("Access-Control-Request-Method");
}

http::response cors::answer_preflight() const {
  http::response answer{204};
  answer.add("Access-Control-Allow-Methods", std::string{allowed_methods});
  answer.add("Access-Control-Allow-Headers", std::string{allowed_headers});
  answer.add("Access-Control-Max-Age", std::string{preflight_age});
  return answer;
}

void cors::describe(const http::request& r, http::response& answer) const {
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
  answer.add("Access-Control-Expose-Headers", std::string{exposed_headers});
}

host_guard::host_guard(std::string_view listen_host, std::string_view names)
    : guards_{true}, any_address_{listen_host == "0.0.0.0" || listen_host == "::"} {
  if (!names.empty()) {
    names_ = split_list(names);
  }
  for (std::string& each : names_) {
    each = std::string{host_of(each)};
  }
  names_.emplace_back(listen_host);
}

bool host_guard::accepts(std::string_view names) {
  const std::vector<std::string> all = split_list(names);
  return std::all_of(all.begin(), all.end(), is_host) && all.size() <= cors::max_origins;
}

bool host_guard::admits(const http::request& r) const {
  if (!guards_) {
    return true;
  }
  const auto given = r.header("Host");
  if (!given) {
    return true;
  }
  const std::string host = in_lower_case(host_of(*given));
  return is_loopback(host) || host == "localhost" || host.ends_with(".localhost") ||
         (any_address_ && (is_v4(host) || is_v6(host))) ||
         std::find(names_.begin(), names_.end(), host) != names_.end();
}

}  // namespace coffer::api
