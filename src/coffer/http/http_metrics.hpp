// The HTTP layer's metrics, looked up once.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "coffer/base/error.hpp"
#include "coffer/base/metrics.hpp"

namespace coffer::http {

/// Series shared by all servers of the process.
struct http_metrics {
  metrics::counter timeout_headers;
  metrics::counter timeout_body;
  metrics::counter timeout_idle;
  metrics::counter timeout_write;
  metrics::counter timeout_stream;
  metrics::counter handler_failures;
  metrics::counter stream_failures;
  metrics::counter bodies_unread;
  metrics::counter handshakes_done;
  metrics::counter handshakes_failed;
  metrics::counter handshakes_expired;
  metrics::counter handshakes_plain;  ///< clients that spoke HTTP without TLS

  static const http_metrics& get();

  /// Counts a request that the parser or the session refused.
  static void count_rejection(errc code);
};

/// Series of one server.
struct listener_metrics {
  /// `name` tells servers apart.
  explicit listener_metrics(std::string_view name);

  metrics::gauge connections;
  metrics::counter accepted;
  metrics::counter refused;             ///< for want of descriptors
  metrics::counter refused_address;     ///< their address had as many as it may have
  metrics::counter paused_full;         ///< at the connection limit
  metrics::counter paused_descriptors;  ///< out of descriptors
  metrics::counter paused_failing;      ///< nothing but errors
};

}  // namespace coffer::http
