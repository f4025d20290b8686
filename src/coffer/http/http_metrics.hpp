// The HTTP layer's metrics, looked up once.
#pragma once

#include <array>
#include <optional>
#include <string>
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

namespace detail {

inline metrics::counter timeout(std::string_view kind) {
  return metrics::make_counter("coffer_http_timeouts_total", "Connections ended for waiting, by what was waited for",
                               {{"kind", std::string{kind}}});
}

inline metrics::counter pause(std::string_view listener, std::string_view reason) {
  return metrics::make_counter("coffer_http_accept_pauses_total", "Times accepting paused, by reason",
                               {{"listener", std::string{listener}}, {"reason", std::string{reason}}});
}

inline metrics::counter handshake(std::string_view outcome) {
  return metrics::make_counter("coffer_tls_handshakes_total", "TLS handshakes of clients, by outcome",
                               {{"outcome", std::string{outcome}}});
}

inline metrics::counter rejected(errc code) {
  return metrics::make_counter("coffer_http_rejected_total", "Requests refused before their handler, by code",
                               {{"code", std::string{to_string(code)}}});
}

}  // namespace detail

inline const http_metrics& http_metrics::get() {
  static const http_metrics instance{
      detail::timeout("headers"),
      detail::timeout("body"),
      detail::timeout("idle"),
      detail::timeout("write"),
      detail::timeout("stream"),
      metrics::make_counter("coffer_http_handler_failures_total", "Requests whose handler threw"),
      metrics::make_counter("coffer_http_stream_failures_total",
                            "Answers cut off because their body could not be made"),
      metrics::make_counter("coffer_http_bodies_unread_total", "Request bodies not read to their end"),
      detail::handshake("done"),
      detail::handshake("failed"),
      detail::handshake("timeout"),
      detail::handshake("plain"),
  };
  return instance;
}

inline void http_metrics::count_rejection(errc code) {
  // One look-up per code and thread: a flood of bad requests must not meet in the registry.
  thread_local std::array<std::optional<metrics::counter>, errc_count> counters;
  auto& counter = counters[static_cast<std::size_t>(code)];
  if (!counter) {
    counter.emplace(detail::rejected(code));
  }
  counter->add();
}

inline listener_metrics::listener_metrics(std::string_view name)
    : connections{metrics::make_gauge("coffer_http_connections", "Open client connections",
                                      {{"listener", std::string{name}}})},
      accepted{metrics::make_counter("coffer_http_accepted_total", "Client connections accepted",
                                     {{"listener", std::string{name}}})},
      refused{metrics::make_counter("coffer_http_refused_total", "Client connections refused for want of descriptors",
                                    {{"listener", std::string{name}}})},
      refused_address{metrics::make_counter("coffer_http_refused_address_total",
                                            "Client connections closed because their address had too many",
                                            {{"listener", std::string{name}}})},
      paused_full{detail::pause(name, "connections")},
      paused_descriptors{detail::pause(name, "descriptors")},
      paused_failing{detail::pause(name, "errors")} {}

}  // namespace coffer::http
