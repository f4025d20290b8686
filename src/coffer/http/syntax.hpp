// The grammar of a request's first line and of the fields that decide where a request ends (RFC 9110, RFC 9112), as
// pure functions. Knows no buffers and no parser.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "coffer/base/ascii.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"

namespace coffer::http {

/// The value of a Content-Length: digits only. `too_large` means well-formed but beyond 2^63-1.
struct content_length {
  enum class kind : std::uint8_t { malformed, too_large, number };
  kind what;
  std::uint64_t value;
};

/// What the transfer codings of a request come to: all values of Transfer-Encoding, joined by commas.
enum class transfer_coding : std::uint8_t {
  chunked,    ///< once and alone, in any case
  unknown,    ///< one that this server does not know
  malformed,  ///< no list of codings, or chunked twice, with parameters or not last
};

namespace detail {

using character_set = std::array<bool, 256>;

/// Letters, digits and `others`.
constexpr character_set letters_digits_and(std::string_view others) {
  character_set set{};
  for (unsigned char c = '0'; c <= '9'; ++c) {
    set[c] = true;
  }
  for (unsigned char c = 'a'; c <= 'z'; ++c) {
    set[c] = set[static_cast<unsigned char>(c - 'a' + 'A')] = true;
  }
  for (const char c : others) {
    set[static_cast<unsigned char>(c)] = true;
  }
  return set;
}

inline constexpr character_set token_characters = letters_digits_and("!#$%&'*+-.^_`|~");
inline constexpr character_set id_characters = letters_digits_and("._-");

// unreserved and sub-delims (RFC 3986 section 3.2.2); percent-encoding is checked apart.
inline constexpr character_set host_characters = letters_digits_and("-._~!$&'()*+,;=");

inline bool all_in(std::string_view text, const character_set& set) noexcept {
  return std::all_of(text.begin(), text.end(), [&](char c) { return set[static_cast<unsigned char>(c)]; });
}

constexpr bool is_visible(char c) noexcept { return c > 0x20 && c < 0x7f; }

/// Whether two hexadecimal digits follow each percent sign.
inline bool well_encoded(std::string_view text) noexcept {
  for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 3)) {
    if (text.size() - i < 3 || !ascii::is_hex(text[i + 1]) || !ascii::is_hex(text[i + 2])) {
      return false;
    }
  }
  return true;
}

inline bool valid_port(std::string_view text) noexcept {
  unsigned value = 0;
  for (const char c : text) {
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (!ascii::is_digit(c) || value > 65535) {
      return false;
    }
  }
  return true;
}

/// 505 for a version of HTTP that is not 1.0 or 1.1, 400 for no version of HTTP.
inline rejection refuse_version(std::string_view version) {
  constexpr std::string_view name = "HTTP/";
  const std::string_view number = version.substr(std::min(name.size(), version.size()));
  const bool known_shape =
      version.starts_with(name) && !number.empty() && ascii::is_digit(number.front()) &&
      (number.size() == 1 || (number.size() == 3 && number[1] == '.' && ascii::is_digit(number[2])));
  if (known_shape) {
    return rejection{505, errc::http_version_not_supported, "Only HTTP/1.1 and HTTP/1.0 are spoken here."};
  }
  return rejection{400, errc::malformed_request, "The request line does not end with a version of HTTP."};
}

}  // namespace detail

/// Whether `c` may be part of a token (RFC 9110 section 5.6.2).
inline bool is_token_character(char c) noexcept { return detail::token_characters[static_cast<unsigned char>(c)]; }

/// Whether `text` is a token: a method or a field name.
inline bool is_token(std::string_view text) noexcept {
  return !text.empty() && detail::all_in(text, detail::token_characters);
}

/// Whether `text`, which has no line end yet, can still become a request line: method characters up to the first
/// space, then visible characters. Refuses a TLS greeting at its first byte.
inline bool may_begin_request_line(std::string_view text) noexcept {
  if (text.ends_with('\r')) {
    text.remove_suffix(1);
  }
  const std::string_view name = text.substr(0, text.find(' '));
  return (text.empty() || is_token(name)) &&
         std::all_of(text.begin(), text.end(), [](char c) { return detail::is_visible(c) || c == ' '; });
}

/// Whether `text` is a host with or without a port, as a Host field carries it: a name, an IPv4 address, or an IPv6
/// address in brackets; not empty.
inline bool valid_host(std::string_view text) noexcept {
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) {
      return false;
    }
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    const bool plain =
        std::all_of(host.begin(), host.end(), [](char c) { return ascii::is_hex(c) || c == ':' || c == '.'; });
    if (host.find(':') == std::string_view::npos || !plain) {
      return false;
    }
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    host = text.substr(0, colon);
    port = text.substr(colon);
    std::string_view plain = host;
    if (!detail::well_encoded(host)) {
      return false;
    }
    for (; !plain.empty(); plain.remove_prefix(1)) {
      if (plain.front() != '%' && !detail::host_characters[static_cast<unsigned char>(plain.front())]) {
        return false;
      }
    }
  }
  return !host.empty() && (port.empty() || (port.front() == ':' && detail::valid_port(port.substr(1))));
}

namespace detail {

/// Whether the target has one of the forms that RFC 9112 section 3.2 allows with this method.
inline bool valid_target(std::string_view target, method verb) noexcept {
  const bool plain = std::all_of(target.begin(), target.end(), [](char c) { return is_visible(c) && c != '#'; });
  if (target.empty() || !plain || !well_encoded(target)) {
    return false;
  }
  if (verb == method::connect) {
    return target.find_first_of("/?") == std::string_view::npos && valid_host(target);
  }
  if (target.front() == '/') {
    return true;
  }
  if (target == "*") {
    return verb == method::options;
  }
  const std::size_t scheme_end = std::min(target.find("://"), target.size());
  const std::string_view scheme = target.substr(0, scheme_end);
  if (scheme_end == target.size() || !(equal_ignoring_case(scheme, "http") || equal_ignoring_case(scheme, "https"))) {
    return false;
  }
  const std::string_view rest = target.substr(scheme_end + 3);
  return valid_host(rest.substr(0, rest.find_first_of("/?")));
}

}  // namespace detail

/// Reads "GET /path HTTP/1.1" (without its line end) into `r`: verb, target, minor version. Gives the refusal
/// otherwise: 400, 501 for an unknown method, 505 for an unknown version.
inline std::optional<rejection> read_request_line(std::string_view line, request& r) {
  const std::size_t first = std::min(line.find(' '), line.size());
  const std::size_t last = line.rfind(' ');
  const std::string_view name = line.substr(0, first);
  if (!is_token(name) || first >= last || last == std::string_view::npos) {
    return rejection{400, errc::malformed_request, "The request line is not a method, a target and a version."};
  }
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return detail::refuse_version(version);
  }
  const std::optional<method> verb = method_from_string(name);
  if (!verb) {
    return rejection{501, errc::not_implemented, "This method is not known here."};
  }
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!detail::valid_target(target, *verb)) {
    return rejection{400, errc::malformed_request, "The target of the request is malformed."};
  }
  r.verb = *verb;
  r.minor_version = version.back() - '0';
  r.set_target(target);
  return std::nullopt;
}

/// Whether a client's X-Request-Id is taken over: 1 to 64 of A-Z a-z 0-9 . _ -
inline bool acceptable_request_id(std::string_view text) noexcept {
  constexpr std::size_t longest = 64;
  return !text.empty() && text.size() <= longest && detail::all_in(text, detail::id_characters);
}

inline content_length read_content_length(std::string_view text) noexcept {
  using kind = content_length::kind;
  if (text.empty() || !std::all_of(text.begin(), text.end(), ascii::is_digit)) {
    return {kind::malformed, 0};
  }
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (failure != std::errc{} || value > largest) {
    return {kind::too_large, 0};
  }
  return {kind::number, value};
}

inline transfer_coding read_transfer_coding(std::string_view text) noexcept {
  bool known = true;
  bool ended = false;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    const std::string_view element = ascii::trim(text.substr(0, comma));
    more = comma != std::string_view::npos;
    text.remove_prefix(more ? comma + 1 : text.size());
    const std::string_view name = ascii::trim(element.substr(0, element.find(';')));
    if (!is_token(name) || ended) {
      return transfer_coding::malformed;
    }
    if (equal_ignoring_case(name, "chunked")) {
      if (name.size() != element.size()) {
        return transfer_coding::malformed;
      }
      ended = true;
    } else {
      known = false;
    }
  }
  return known ? transfer_coding::chunked : transfer_coding::unknown;
}

/// The value of the first field called `name` (lower case) in field lines of which nothing is known yet but that they
/// came; empty when there is none.
inline std::string_view find_raw_field(std::string_view fields, std::string_view name) noexcept {
  while (!fields.empty()) {
    const std::size_t end = fields.find("\r\n");
    if (end == 0 || end == std::string_view::npos) {
      break;
    }
    const std::string_view line = fields.substr(0, end);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        equal_ignoring_case(line.substr(0, name.size()), name)) {
      return ascii::trim(line.substr(name.size() + 1));
    }
    fields.remove_prefix(end + 2);
  }
  return {};
}

}  // namespace coffer::http
