// Every setting of `coffer serve` with its default. Knows neither flags nor environment: command_line fills it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "coffer/base/log.hpp"

namespace coffer::app {

/// Whether requests must carry a key.
enum class auth_mode : std::uint8_t { off, required };

/// What the HTTP server accepts from a client, and for how long it waits for it.
struct http_settings {
  std::size_t max_request_line = 8 * 1024;          ///< bytes, 256..65536; beyond: 414
  std::size_t max_header_bytes = 16 * 1024;         ///< bytes, 1024..262144; beyond: 431
  std::size_t max_headers = 100;                    ///< 8..1000, trailers count; beyond: 431
  std::size_t max_body = 16 * 1024;                 ///< bytes, 1024..1048576; beyond: 413
  std::size_t max_pipelined_bytes = 64 * 1024;      ///< bytes read ahead, 4096..1048576; beyond: no more reading
  std::size_t max_write_buffer = 256 * 1024;        ///< bytes unsent, 16384..16777216; beyond: reset
  std::size_t max_connections = 4096;               ///< 1..1000000, further capped by open files - 128; beyond: backlog
  std::chrono::milliseconds header_timeout{10000};  ///< 100 ms..10 min, absolute; beyond: 408
  std::chrono::milliseconds body_timeout{10000};    ///< 100 ms..10 min, absolute; beyond: 408
  std::chrono::milliseconds idle_timeout{60000};    ///< between requests, 100 ms..1 h; beyond: close
  std::chrono::milliseconds write_timeout{10000};   ///< without progress, 100 ms..10 min; beyond: reset
};

/// The settings of a server process. Values are within the ranges given here once they come out of command_line.
struct settings {
  std::string listen = "127.0.0.1:8080";        ///< host:port or [v6]:port; port 0 picks a free one
  std::string admin_listen = "127.0.0.1:8081";  ///< as listen; metrics. Empty: no admin listener
  bool allow_insecure_listen = false;           ///< lets auth off go with an address other hosts can reach
  auth_mode auth = auth_mode::off;

  std::string database_url = "postgresql:///coffer";
  std::string redis_url = "redis://127.0.0.1:6379/0";  ///< empty: no cache
  std::string redis_prefix = "coffer:";  ///< of every key, 1..64 visible characters: several servers on one redis

  int threads = 1;                                  ///< 1..64
  int lanes = 4;                                    ///< writing connections of the process, a lane each, 1..32
  std::size_t max_batch = 256;                      ///< commands per batch, 1..4096
  std::size_t lane_queue = 1024;                    ///< commands waiting per lane, 1..1000000; beyond: 503 overloaded
  std::size_t read_pool_size = 8;                   ///< reading connections per thread, 1..256
  std::size_t read_pool_waiting = 1024;             ///< requests waiting for one of them per thread, 1..1000000
  std::chrono::milliseconds request_timeout{5000};  ///< 100 ms..60 s, passed down; beyond: 503
  std::chrono::milliseconds drain_timeout{15000};   ///< for requests in flight at SIGTERM, 0..10 min

  std::chrono::milliseconds database_connect_timeout{2000};    ///< 10 ms..60 s
  std::chrono::milliseconds database_acquire_timeout{500};     ///< wait for a pooled connection, 10 ms..60 s
  std::chrono::milliseconds database_statement_timeout{2000};  ///< 10 ms..60 s, and below request_timeout
  std::chrono::milliseconds database_lock_timeout{1000};       ///< 10 ms..60 s, at most the statement timeout
  bool prepared = true;                                        ///< false for poolers in transaction mode

  std::chrono::milliseconds redis_connect_timeout{200};  ///< 1 ms..10 s
  std::chrono::milliseconds redis_command_timeout{100};  ///< 1 ms..10 s

  std::int64_t max_deposit = 1'000'000'000;         ///< credits per deposit, 1..2^53-1
  std::chrono::seconds cache_ttl{300};              ///< of inventories, 1 s..1 day
  std::chrono::seconds popular_ttl{3600};           ///< of the popular products, 1 s..1 day
  std::chrono::minutes cache_reset_at{0};           ///< time of day, UTC; "HH:MM" outside, 00:00..23:59
  log::level log_level = log::level::info;          ///< debug, info, warn, error
  log::format log_format = log::format::automatic;  ///< auto, json, text

  http_settings http;
};

}  // namespace coffer::app
