#include "coffer/http/http_metrics.hpp"

#include <string>

namespace coffer::http {

namespace {

metrics::counter timeout(std::string_view kind) {
  return metrics::make_counter("coffer_http_timeouts_total", "Connections ended for waiting, by what was waited for",
                               {{"kind", std::string{kind}}});
}

metrics::counter pause(std::string_view listener, std::string_view reason) {
  return metrics::make_counter("coffer_http_accept_pauses_total", "Times accepting paused, by reason",
                               {{"listener", std::string{listener}}, {"reason", std::string{reason}}});
}

metrics::counter handshake(std::string_view outcome) {
  return metrics::make_counter("coffer_tls_handshakes_total", "TLS handshakes of clients, by outcome",
                               {{"outcome", std::string{outcome}}});
}

metrics::counter rejected(errc code) {
  return metrics::make_counter("coffer_http_rejected_total", "Requests refused before their handler, by code",
                               {{"code", std::string{to_string(code)}}});
}

}  // namespace

const http_metrics& http_metrics::get() {
  static const http_metrics instance{
      timeout("headers"),
      timeout("body"),
      timeout("idle"),
      timeout("write"),
      timeout("stream"),
      metrics::make_counter("coffer_http_handler_failures_total", "Requests whose handler threw"),
      metrics::make_counter("coffer_http_stream_failures_total",
                            "Answers cut off because their body could not be made"),
      metrics::make_counter("coffer_http_bodies_unread_total", "Streamed request bodies not read to their end"),
      handshake("done"),
      handshake("failed"),
      handshake("timeout"),
      handshake("plain"),
  };
  return instance;
}

void http_metrics::count_rejection(errc code) {
  // One look-up per code and thread: a flood of bad requests must not meet in the registry.
  thread_local std::array<std::optional<metrics::counter>, errc_count> counters;
  auto& counter = counters[static_cast<std::size_t>(code)];
  if (!counter) {
    counter.emplace(rejected(code));
  }
  counter->add();
}

listener_metrics::listener_metrics(std::string_view name)
    : connections{metrics::make_gauge("coffer_http_connections", "Open client connections",
                                      {{"listener", std::string{name}}})},
      accepted{metrics::make_counter("coffer_http_accepted_total", "Client connections accepted",
                                     {{"listener", std::string{name}}})},
      refused{metrics::make_counter("coffer_http_refused_total", "Client connections refused for want of descriptors",
                                    {{"listener", std::string{name}}})},
      refused_address{metrics::make_counter("coffer_http_refused_address_total",
                                            "Client connections closed because their address had too many",
                                            {{"listener", std::string{name}}})},
      paused_full{pause(name, "connections")},
      paused_descriptors{pause(name, "descriptors")},
      paused_failing{pause(name, "errors")} {}

}  // namespace coffer::http
