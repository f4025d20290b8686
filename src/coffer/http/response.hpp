// One answer and its bytes on the wire. Knows no sockets.
#pragma once

#include <charconv>
#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/base/assert.hpp"
#include "coffer/base/error.hpp"

namespace coffer::http {

inline constexpr std::string_view json_type = "application/json";
inline constexpr std::string_view problem_type = "application/problem+json";
inline constexpr std::string_view text_type = "text/plain; charset=utf-8";

class body_source;

/// An answer. Header names and content types are literals.
struct response {
  response() = default;
  explicit response(int s) : status{s} {}
  response(int s, std::string_view type, std::string content)
      : status{s}, content_type{type}, body{std::move(content)} {}

  /// Adds a header. `name` has static storage; `value` must not contain line breaks (asserted when serialised).
  response& add(std::string_view name, std::string value) {
    headers.emplace_back(name, std::move(value));
    return *this;
  }

  int status = 200;
  std::string_view content_type;  ///< empty: no body is announced
  std::string body;
  /// A body that many answers have in common, in place of `body`: sent from where it is, never copied.
  std::shared_ptr<const std::string> shared;
  /// Makes the body while it is sent, in place of `body`. HEAD does not touch it.
  std::shared_ptr<body_source> source;
  std::vector<std::pair<std::string_view, std::string>> headers;
  std::chrono::steady_clock::duration waited{};  ///< as the client asked for; no time of the server's
  bool close = false;                            ///< end the connection after this answer
  std::string_view error_code;                   ///< of a problem, for the log; has static storage
};

/// Why the parser or the session refuses a request.
struct rejection {
  int status = 400;
  errc code = errc::malformed_request;
  std::string detail;
};

/// What a response is serialised with besides itself.
struct serialise_options {
  std::string_view request_id;
  bool head_only = false;  ///< HEAD: Content-Length of the body that is not sent
  bool close = false;
  bool http_1_0 = false;  ///< the client speaks HTTP/1.0: staying open must be said
};

/// "OK", "Payment Required", ...; the empty string for a status this server does not use.
inline std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 424:
      return "Failed Dependency";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

namespace detail {

/// "\r\nDate: Sun, 22 Nov 2026 23:13:50 GMT\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: " (RFC 9110 section
/// 5.6.7), rendered once per second and thread.
inline std::string_view common_fields() {
  thread_local std::time_t rendered = -1;
  thread_local std::string text;
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  if (now != rendered) {
    std::tm utc{};
    gmtime_r(&now, &utc);
    char buffer[100];
    const std::size_t size =
        std::strftime(buffer, sizeof buffer,
                      "\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: ", &utc);
    text.assign(buffer, size);
    rendered = now;
  }
  return text;
}

inline void append_number(std::string& out, std::size_t number) {
  char digits[24];
  out.append(digits, std::to_chars(std::begin(digits), std::end(digits), number).ptr);
}

}  // namespace detail

/// Appends status line, headers and body, or the head alone when the body is shared or comes from a source: then it is
/// chunked, or ends with the connection for HTTP/1.0 (`how.close` must be set). Adds Date, Content-Length,
/// X-Request-Id, X-Content-Type-Options, and Cache-Control: no-store unless the response has its own.
inline void serialise(const response& answer, const serialise_options& how, std::string& out) {
  constexpr std::size_t usual_head = 320;
  const bool has_body = answer.status != 204 && answer.status != 304;
  out.reserve(out.size() + usual_head + (how.head_only ? 0 : answer.body.size()));
  out += "HTTP/1.1 ";
  detail::append_number(out, static_cast<std::size_t>(answer.status));
  out += ' ';
  out += reason_phrase(answer.status);
  out += detail::common_fields();
  out += how.request_id;
  out += "\r\n";
  bool has_cache_control = false;
  for (const auto& [name, value] : answer.headers) {
    COFFER_ASSERT(value.find_first_of(std::string_view{"\r\n\0", 3}) == std::string::npos);
    has_cache_control = has_cache_control || name == "Cache-Control";
    out.append(name).append(": ").append(value).append("\r\n");
  }
  if (!has_cache_control) {
    out += "Cache-Control: no-store\r\n";
  }
  if (!answer.content_type.empty()) {
    out.append("Content-Type: ").append(answer.content_type).append("\r\n");
  }
  if (answer.source) {
    COFFER_ASSERT(has_body && (how.close || !how.http_1_0));
    out += how.http_1_0 ? "" : "Transfer-Encoding: chunked\r\n";
  } else if (has_body) {
    out += "Content-Length: ";
    detail::append_number(out, answer.shared ? answer.shared->size() : answer.body.size());
    out += "\r\n";
  }
  if (how.close) {
    out += "Connection: close\r\n";
  } else if (how.http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  if (!how.head_only && has_body) {
    out += answer.body;
  }
}

}  // namespace coffer::http
