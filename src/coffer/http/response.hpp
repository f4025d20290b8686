// One answer and its bytes on the wire. Knows no sockets.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  bool close = false;           ///< end the connection after this answer
  std::string_view error_code;  ///< of a problem, for the log; has static storage
};

/// Why the parser or the session refuses a request.
struct rejection {
  int status = 400;
  errc code = errc::malformed_request;
  std::string detail;
};

/// "OK", "Payment Required", ...; the empty string for a status this server does not use.
std::string_view reason_phrase(int status) noexcept;

/// What a response is serialised with besides itself.
struct serialise_options {
  std::string_view request_id;
  bool head_only = false;  ///< HEAD: Content-Length of the body that is not sent
  bool close = false;
  bool http_1_0 = false;  ///< the client speaks HTTP/1.0: staying open must be said
};

/// Appends status line, headers and body, or the head alone when the body is shared or comes from a source: then it is
/// chunked, or ends with the connection for HTTP/1.0 (`how.close` must be set). Adds Date, Content-Length,
/// X-Request-Id, X-Content-Type-Options, and Cache-Control: no-store unless the response has its own.
void serialise(const response& answer, const serialise_options& how, std::string& out);

}  // namespace coffer::http
