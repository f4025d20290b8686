// What the server accepts from a client and how long it waits for it.
#pragma once

#include <chrono>
#include <cstddef>

namespace coffer::http {

/// Every limit of the HTTP layer. Beyond it: the status named, or the connection is closed.
struct limits {
  std::size_t request_line = 8 * 1024;             ///< bytes with CRLF; 414
  std::size_t header_block = 16 * 1024;            ///< bytes behind the request line, the empty line, trailers and the
                                                   ///< dispensable part of chunk framing too; 431
  std::size_t header_count = 100;                  ///< trailers count; 431
  std::size_t body = 16 * 1024;                    ///< bytes; 413, before reading it when the length is declared
  std::size_t pipelined = 64 * 1024;               ///< bytes read and not yet parsed; beyond, no more is read
  std::chrono::milliseconds header_time{10000};    ///< from the first byte of a request, absolute; 408
  std::chrono::milliseconds body_time{10000};      ///< from the end of the head, absolute; 408
  std::chrono::milliseconds idle_time{75000};      ///< between requests, longer than proxies wait; close
  std::chrono::milliseconds write_time{10000};     ///< without progress; reset. One answer is buffered at most
  std::chrono::milliseconds request_time{5000};    ///< the deadline handed to the handler
  std::chrono::milliseconds linger_time{2000};     ///< for the client to take a last answer and close, absolute
  std::chrono::milliseconds drain_grace{500};      ///< an idle connection's time to send a last request while draining
  std::size_t streamed_body = 1024 * 1024 * 1024;  ///< bytes of a body that is read piece by piece; 413
  std::chrono::milliseconds stream_idle{10000};    ///< without a byte of such a body
  std::size_t stream_rate = 64;                    ///< bytes per second that are waited for,
  std::chrono::milliseconds stream_grace{30000};   ///< and the time of waiting, in all, that need bring none
  std::size_t connections = 4096;                  ///< per server; more wait in the backlog
};

}  // namespace coffer::http
