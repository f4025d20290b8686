// Writes what clients and servers said to each other to the file named by COFFER_TEST_EXCHANGES, for a check against
// the server's own description. Does nothing when the variable is not set.
//
// One JSON object per line: {"method", "target", "request_headers": [[name, value], ...], "request_body", "status",
// "headers": [[name, value], ...], "body"}. Texts hold one character per byte (ISO 8859-1). Method and target are null
// where a test sent bytes of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "support/http_client.hpp"

namespace coffer::test {

/// Whether exchanges with this port of 127.0.0.1 are written; they are not until a server says so.
void set_recorded(std::uint16_t port, bool recorded);

/// What was asked.
struct recorded_request {
  std::string_view method;
  std::string_view target;
  const header_list& headers;
  std::string_view body;
};

/// Writes one exchange if that port's are recorded.
void record_exchange(std::uint16_t port, const std::optional<recorded_request>& asked, const http_response& answer);

}  // namespace coffer::test
