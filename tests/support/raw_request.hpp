// Requests as bytes, for tests that send them in pieces, many at once, or without reading the answer. A test whose
// point is the exact bytes keeps them as a literal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "support/http_client.hpp"

namespace coffer::test {

/// A request, for example raw_request("POST /users", {{"Connection", "close"}}, "{}"): `Host: h` comes first unless a
/// field names one, Content-Length last when there is a body.
inline std::string raw_request(std::string_view method_and_target, const header_list& fields = {},
                               std::optional<std::string_view> body = std::nullopt) {
  std::string text = fmt::format("{} HTTP/1.1\r\n{}", method_and_target, names(fields, "host") ? "" : "Host: h\r\n");
  for (const auto& [name, value] : fields) {
    text.append(name).append(": ").append(value).append("\r\n");
  }
  if (body) {
    text += fmt::format("Content-Length: {}\r\n", body->size());
  }
  return text.append("\r\n").append(body.value_or(""));
}

/// The head of a request whose body comes in chunks, and as much of the framed body as `begun`.
inline std::string chunked_request(std::string_view method_and_target, std::string_view begun = {},
                                   header_list fields = {}) {
  fields.emplace_back("Transfer-Encoding", "chunked");
  return raw_request(method_and_target, fields).append(begun);
}

/// One chunk; `extension` begins with a semicolon.
inline std::string chunk(std::string_view data, std::string_view extension = {}) {
  return fmt::format("{:x}{}\r\n{}\r\n", data.size(), extension, data);
}

}  // namespace coffer::test
