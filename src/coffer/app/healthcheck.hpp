// Asks a running server whether it is ready, without a shell or curl in the image.
#pragma once

#include <chrono>
#include <string>

namespace coffer::app {

/// What a GET said.
struct health {
  bool ok = false;     ///< answered 200
  std::string detail;  ///< the status line and what /readyz says of itself, or why there is none
};

/// GETs an http:// URL whose host is an IP address or localhost; done within `limit`, whatever happens. Blocks.
health check_health(const std::string& url, std::chrono::milliseconds limit = std::chrono::seconds{2});

}  // namespace coffer::app
