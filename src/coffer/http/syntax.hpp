// The grammar of a request's first line and of the fields that decide where a request ends (RFC 9110, RFC 9112), as
// pure functions. Knows no buffers and no parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"

namespace coffer::http {

/// Whether `c` may be part of a token (RFC 9110 section 5.6.2).
bool is_token_character(char c) noexcept;

/// Whether `text` is a token: a method or a field name.
bool is_token(std::string_view text) noexcept;

/// The value of a hexadecimal digit, or -1.
constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Whether `text`, which has no line end yet, can still become a request line: method characters up to the first
/// space, then visible characters. Refuses a TLS greeting at its first byte.
bool may_begin_request_line(std::string_view text) noexcept;

/// Reads "GET /path HTTP/1.1" (without its line end) into `r`: verb, target, minor version. Gives the refusal
/// otherwise: 400, 501 for an unknown method, 505 for an unknown version.
std::optional<rejection> read_request_line(std::string_view line, request& r);

/// Whether `text` is a host with or without a port, as a Host field carries it: a name, an IPv4 address, or an IPv6
/// address in brackets; not empty.
bool valid_host(std::string_view text) noexcept;

/// Whether a client's X-Request-Id is taken over: 1 to 64 of A-Z a-z 0-9 . _ -
bool acceptable_request_id(std::string_view text) noexcept;

/// The value of a Content-Length: digits only. `too_large` means well-formed but beyond 2^63-1.
struct content_length {
  enum class kind : std::uint8_t { malformed, too_large, number };
  kind what;
  std::uint64_t value;
};
content_length read_content_length(std::string_view text) noexcept;

/// What the transfer codings of a request come to: all values of Transfer-Encoding, joined by commas.
enum class transfer_coding : std::uint8_t {
  chunked,    ///< once and alone, in any case
  unknown,    ///< one that this server does not know
  malformed,  ///< no list of codings, or chunked twice, with parameters or not last
};
transfer_coding read_transfer_coding(std::string_view text) noexcept;

/// `text` without spaces and tabs around it.
std::string_view trim(std::string_view text) noexcept;

/// The value of the first field called `name` (lower case) in field lines of which nothing is known yet but that they
/// came; empty when there is none.
std::string_view find_raw_field(std::string_view fields, std::string_view name) noexcept;

}  // namespace coffer::http
