#include "coffer/http/response.hpp"

#include <charconv>
#include <chrono>
#include <ctime>

#include "coffer/base/assert.hpp"

namespace coffer::http {

std::string_view reason_phrase(int status) noexcept {
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

namespace {

/// "\r\nDate: Sun, 22 Nov 2026 23:13:50 GMT\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: " (RFC 9110 section
/// 5.6.7), rendered once per second and thread.
std::string_view common_fields() {
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

void append_number(std::string& out, std::size_t number) {
  char digits[24];
  out.append(digits, std::to_chars(std::begin(digits), std::end(digits), number).ptr);
}

}  // namespace

void serialise(const response& answer, const serialise_options& how, std::string& out) {
  constexpr std::size_t usual_head = 320;
  const bool has_body = answer.status != 204 && answer.status != 304;
  out.reserve(out.size() + usual_head + (how.head_only ? 0 : answer.body.size()));
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::size_t>(answer.status));
  out += ' ';
  out += reason_phrase(answer.status);
  out += common_fields();
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
    append_number(out, answer.shared ? answer.shared->size() : answer.body.size());
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
