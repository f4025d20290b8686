#include "coffer/app/settings_table.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/browsers.hpp"
#include "coffer/app/settings_kinds.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/base/assert.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/json/reader.hpp"
#include "coffer/net/address.hpp"
#include "coffer/pg/conninfo.hpp"

namespace coffer::app {

namespace {

using namespace setting_kinds;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* network = "Network";
constexpr const char* storage = "PostgreSQL";
constexpr const char* redis = "Redis";
constexpr const char* work = "Work";
constexpr const char* http = "HTTP limits";
constexpr const char* logs = "Logs";

constexpr const char* address_rule = "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080 (port 0: any)";

bool accepts_address(std::string_view value) { return parse_listen_address(value).has_value(); }

bool accepts_redis(std::string_view value) {
  return value.starts_with("redis://") || value.starts_with("rediss://") || value.starts_with("unix://");
}

bool accepts_prefix(std::string_view value) {
  return !value.empty() && value.size() <= 64 && std::ranges::all_of(value, [](char c) { return c > ' ' && c < 127; });
}

bool accepts_proxies(std::string_view value) {
  const auto read = net::address_set::parse(value);
  return read && !read->empty();
}

bool accepts_time_of_day(std::string_view value) { return parse_time_of_day(value).has_value(); }

setting_spec time_of_day(setting_spec spec) {
  spec.shape = "HH:MM[:SS]";
  spec.set = [](settings& s, std::string_view value) -> outcome {
    if (!accepts_time_of_day(value)) {
      return std::unexpected{std::string{"a time of day from 00:00 to 23:59:59"}};
    }
    s.cache_reset_at = *parse_time_of_day(value);
    return {};
  };
  spec.show = [](const settings& s) {
    const std::chrono::hh_mm_ss time{s.cache_reset_at};
    const std::string text = fmt::format("{:02}:{:02}", time.hours().count(), time.minutes().count());
    return time.seconds().count() == 0 ? text : fmt::format("{}:{:02}", text, time.seconds().count());
  };
  spec.lowest = "00:00";
  spec.highest = "23:59:59";
  spec.above = "24:00";
  return spec;
}

/// A number of connections, or half of all.
setting_spec per_address(setting_spec spec) {
  static constexpr std::int64_t most = 1'000'000;
  spec.shape = fmt::format("0..{}|half", most);
  spec.set = [](settings& s, std::string_view value) -> outcome {
    const auto number = parse_integer(value);
    if (value != "half" && (!number || *number < 0 || *number > most)) {
      return std::unexpected{fmt::format("a whole number from 0 to {}, or half (of --max-connections)", most)};
    }
    s.max_connections_per_address = number ? std::optional{static_cast<std::size_t>(*number)} : std::nullopt;
    return {};
  };
  spec.show = [](const settings& s) {
    return s.max_connections_per_address ? fmt::format("{}", *s.max_connections_per_address) : std::string{"half"};
  };
  spec.lowest = "0";
  spec.highest = fmt::format("{}", most);
  spec.below = "-1";
  spec.above = fmt::format("{}", most + 1);
  return spec;
}

/// What libpq would refuse ends the start, and not the first request.
setting_spec database_url(setting_spec spec) {
  spec.shape = "URL";
  spec.set = [](settings& s, std::string_view value) -> outcome {
    if (const std::string problem = pg::problem_of_url(std::string{value}); !problem.empty()) {
      return std::unexpected{
          fmt::format("postgresql://user:password@host:port/database or a list of key=value: {}", problem)};
    }
    s.database_url = value;
    return {};
  };
  spec.show = [](const settings& s) { return s.database_url; };
  return spec;
}

setting_spec origins(setting_spec spec) {
  spec.shape = "ORIGINS";
  spec.set = [](settings& s, std::string_view value) -> outcome {
    if (value == "none") {
      s.cors_origins.clear();
      return {};
    }
    if (const auto read = api::cors::parse(value); !read) {
      return std::unexpected{
          fmt::format("origins with commas between them, such as https://shop.example,http://localhost:5173, or * for "
                      "all, or none: {}",
                      read.error())};
    }
    s.cors_origins = value;
    return {};
  };
  spec.show = [](const settings& s) { return s.cors_origins.empty() ? std::string{"none"} : s.cors_origins; };
  return spec;
}

setting_spec as_switch(setting_spec spec) {
  spec.is_switch = true;
  return spec;
}

setting_spec as_secret(setting_spec spec) {
  spec.is_secret = true;
  return spec;
}

void add_network(std::vector<setting_spec>& all) {
  all.push_back(text(named("--listen", "COFFER_LISTEN", network, "address of the API"), COFFER_MEMBER(listen),
                     "HOST:PORT", address_rule, false, accepts_address));
  all.push_back(text(named("--admin-listen", "COFFER_ADMIN_LISTEN", network, "address of /metrics; none: no metrics"),
                     COFFER_MEMBER(admin_listen), "HOST:PORT", address_rule, true, accepts_address));
  all.push_back(file(named("--tls-certificate", "COFFER_TLS_CERTIFICATE", network,
                           "PEM file with the certificate and its chain: the API is HTTPS; read again at SIGHUP"),
                     COFFER_MEMBER(tls_certificate)));
  all.push_back(file(named("--tls-key", "COFFER_TLS_KEY", network, "PEM file with the certificate's key"),
                     COFFER_MEMBER(tls_key)));
  all.push_back(choice(named("--auth", "COFFER_AUTH", network, "whether requests must carry a key or token"),
                       COFFER_MEMBER(auth),
                       std::array{std::pair{"off", auth_mode::off}, std::pair{"required", auth_mode::required}}));
  all.push_back(text(named("--allowed-hosts", "COFFER_ALLOWED_HOSTS", network,
                           "with --auth off: further names that requests may have in Host"),
                     COFFER_MEMBER(allowed_hosts), "NAMES",
                     "host names and IP addresses with commas between them, such as coffer,shop.internal", true,
                     api::host_guard::accepts));
  all.push_back(origins(named("--cors-origins", "COFFER_CORS_ORIGINS", network,
                              "origins whose pages may send players' tokens and read answers; *: all")));
  all.push_back(as_switch(on_off(named("--allow-insecure-listen", "COFFER_ALLOW_INSECURE_LISTEN", network,
                                       "listen beyond this machine although --auth is off"),
                                 COFFER_MEMBER(allow_insecure_listen))));
  all.push_back(text(named("--trusted-proxies", "COFFER_TRUSTED_PROXIES", network,
                           "whose X-Forwarded-For counts, and who may have any number of connections"),
                     COFFER_MEMBER(trusted_proxies), "ADDRESSES",
                     "IP addresses and networks with commas between them, such as 10.0.0.0/8,::1", true,
                     accepts_proxies));
}

void add_storage(std::vector<setting_spec>& all) {
  all.push_back(as_secret(database_url(named("--database-url", "DATABASE_URL", storage, "where PostgreSQL is"))));
  all.push_back(duration(
      named("--database-connect-timeout", "COFFER_DATABASE_CONNECT_TIMEOUT", storage, "limit for making a connection"),
      COFFER_MEMBER(database_connect_timeout), milliseconds{10}, seconds{60}));
  all.push_back(duration(named("--database-acquire-timeout", "COFFER_DATABASE_ACQUIRE_TIMEOUT", storage,
                               "how long a read waits for a free connection"),
                         COFFER_MEMBER(database_acquire_timeout), milliseconds{10}, seconds{60}));
  all.push_back(duration(named("--database-statement-timeout", "COFFER_DATABASE_STATEMENT_TIMEOUT", storage,
                               "limit for a statement, at most --request-timeout"),
                         COFFER_MEMBER(database_statement_timeout), milliseconds{10}, seconds{60}));
  all.push_back(duration(named("--database-lock-timeout", "COFFER_DATABASE_LOCK_TIMEOUT", storage,
                               "limit for a lock, at most --database-statement-timeout"),
                         COFFER_MEMBER(database_lock_timeout), milliseconds{10}, seconds{60}));
  all.push_back(integer(named("--read-pool-size", "COFFER_READ_POOL_SIZE", storage, "reading connections per thread"),
                        COFFER_MEMBER(read_pool_size), 1, 256));
  all.push_back(integer(named("--read-pool-waiting", "COFFER_READ_POOL_WAITING", storage,
                              "reads that may wait for a connection, per thread; more are refused"),
                        COFFER_MEMBER(read_pool_waiting), 1, 1'000'000));
  all.push_back(on_off(
      named("--prepared", "COFFER_PREPARED", storage, "prepared statements; off for poolers in transaction mode"),
      COFFER_MEMBER(prepared)));
}

void add_redis(std::vector<setting_spec>& all) {
  all.push_back(as_secret(text(named("--redis-url", "REDIS_URL", redis, "where Redis is; none: no cache"),
                               COFFER_MEMBER(redis_url), "URL", "redis[s]://host:port/number or unix:///path", true,
                               accepts_redis)));
  all.push_back(text(named("--redis-prefix", "COFFER_REDIS_PREFIX", redis,
                           "start of every key, its own for each database that shares a Redis"),
                     COFFER_MEMBER(redis_prefix), "TEXT", "1 to 64 visible ASCII characters", false, accepts_prefix));
  all.push_back(
      duration(named("--redis-connect-timeout", "COFFER_REDIS_CONNECT_TIMEOUT", redis, "limit for making a connection"),
               COFFER_MEMBER(redis_connect_timeout), milliseconds{1}, seconds{10}));
  all.push_back(duration(named("--redis-command-timeout", "COFFER_REDIS_COMMAND_TIMEOUT", redis,
                               "limit for an answer; slower is a cache miss"),
                         COFFER_MEMBER(redis_command_timeout), milliseconds{1}, seconds{10}));
  all.push_back(integer(named("--redis-breaker-failures", "COFFER_REDIS_BREAKER_FAILURES", redis,
                              "failures in a row after which Redis is left alone"),
                        COFFER_MEMBER(redis_breaker_failures), 1, 1000));
  all.push_back(duration(named("--redis-breaker-pause", "COFFER_REDIS_BREAKER_PAUSE", redis,
                               "for how long; meanwhile everything is a miss"),
                         COFFER_MEMBER(redis_breaker_pause), milliseconds{10}, minutes{1}));
  all.push_back(duration(named("--cache-ttl", "COFFER_CACHE_TTL", redis, "life of a cached inventory"),
                         COFFER_MEMBER(cache_ttl), seconds{1}, hours{24}));
  all.push_back(duration(named("--popular-ttl", "COFFER_POPULAR_TTL", redis, "life of the cached popular products"),
                         COFFER_MEMBER(popular_ttl), seconds{1}, hours{24}));
  all.push_back(time_of_day(named("--cache-reset-at", "COFFER_CACHE_RESET_AT", redis,
                                  "time of day (UTC) at which all cached inventories are dropped")));
}

void add_work(std::vector<setting_spec>& all) {
  all.push_back(integer(named("--threads", "COFFER_THREADS", work, "threads, each with its own connections"),
                        COFFER_MEMBER(threads), 1, 64));
  all.push_back(integer(named("--lanes", "COFFER_LANES", work, "writing connections of the process, a lane each"),
                        COFFER_MEMBER(lanes), 1, 32));
  all.push_back(integer(named("--max-batch", "COFFER_MAX_BATCH", work, "most commands in one transaction"),
                        COFFER_MEMBER(max_batch), 1, 4096));
  all.push_back(integer(named("--lane-queue", "COFFER_LANE_QUEUE", work,
                              "commands that may wait in a lane; more are refused as overloaded"),
                        COFFER_MEMBER(lane_queue), 1, 1'000'000));
  all.push_back(integer(named("--max-deposit", "COFFER_MAX_DEPOSIT", work, "most credits in one deposit"),
                        COFFER_MEMBER(max_deposit), 1, max_json_integer));
  all.push_back(duration(
      named("--request-timeout", "COFFER_REQUEST_TIMEOUT", work, "limit for answering a request; beyond it 503"),
      COFFER_MEMBER(http.request_time), milliseconds{100}, seconds{60}));
  all.push_back(duration(named("--drain-timeout", "COFFER_DRAIN_TIMEOUT", work,
                               "how long requests in flight may take to end after SIGTERM"),
                         COFFER_MEMBER(drain_timeout), milliseconds{0}, minutes{10}));
}

void add_http(std::vector<setting_spec>& all) {
  all.push_back(integer(named("--max-connections", "COFFER_MAX_CONNECTIONS", http,
                              "clients at once (never more than open files - 128); more wait"),
                        COFFER_MEMBER(http.connections), 1, 1'000'000));
  all.push_back(per_address(named("--max-connections-per-address", "COFFER_MAX_CONNECTIONS_PER_ADDRESS", http,
                                  "of one client address, of IPv6 a /64 (0: any number); more are closed at once")));
  all.push_back(size(named("--max-request-line", "COFFER_MAX_REQUEST_LINE", http, "beyond it 414"),
                     COFFER_MEMBER(http.request_line), 256, 64 << 10));
  all.push_back(
      size(named("--max-header-bytes", "COFFER_MAX_HEADER_BYTES", http, "all headers together; beyond it 431"),
           COFFER_MEMBER(http.header_block), 1 << 10, 256 << 10));
  all.push_back(integer(named("--max-headers", "COFFER_MAX_HEADERS", http, "number of headers; beyond it 431"),
                        COFFER_MEMBER(http.header_count), 8, 1000));
  all.push_back(
      size(named("--max-body", "COFFER_MAX_BODY", http, "beyond it 413"), COFFER_MEMBER(http.body), 1 << 10, 1 << 20));
  all.push_back(size(named("--max-upload-answers", "COFFER_MAX_UPLOAD_ANSWERS", http,
                           "bytes of answers that are held for a bulk upload until it has been read; more are counted"),
                     COFFER_MEMBER(max_upload_answers), std::size_t{1} << 20U, std::size_t{64} << 30U));
  all.push_back(text(named("--spool-directory", "COFFER_SPOOL_DIRECTORY", http,
                           "where the files lie that hold them; they have no names"),
                     COFFER_MEMBER(spool_directory), "DIRECTORY", "the absolute name of a directory", false,
                     [](std::string_view value) {
                       return value.starts_with('/') &&
                              std::ranges::all_of(value, [](unsigned char c) { return c >= 0x20; });
                     }));
  all.push_back(integer(
      named("--max-json-depth", "COFFER_MAX_JSON_DEPTH", http, "levels of arrays and objects in a body; beyond it 400"),
      COFFER_MEMBER(max_json_depth), json::least_depth, json::most_depth));
  all.push_back(size(named("--max-pipelined", "COFFER_MAX_PIPELINED", http,
                           "bytes read ahead while a request runs; beyond it the client waits"),
                     COFFER_MEMBER(http.pipelined), 4 << 10, 1 << 20));
  all.push_back(duration(named("--header-timeout", "COFFER_HEADER_TIMEOUT", http, "for a whole head; beyond it 408"),
                         COFFER_MEMBER(http.header_time), milliseconds{100}, minutes{10}));
  all.push_back(duration(named("--body-timeout", "COFFER_BODY_TIMEOUT", http, "for a whole body; beyond it 408"),
                         COFFER_MEMBER(http.body_time), milliseconds{100}, minutes{10}));
  all.push_back(duration(named("--idle-timeout", "COFFER_IDLE_TIMEOUT", http,
                               "between requests; then closed; longer than a proxy in front waits"),
                         COFFER_MEMBER(http.idle_time), milliseconds{100}, hours{1}));
  all.push_back(duration(
      named("--write-timeout", "COFFER_WRITE_TIMEOUT", http, "without progress of a client that reads; then reset"),
      COFFER_MEMBER(http.write_time), milliseconds{100}, minutes{10}));
}

void add_logs(std::vector<setting_spec>& all) {
  all.push_back(choice(named("--log-level", "COFFER_LOG_LEVEL", logs, "the lowest level that is written"),
                       COFFER_MEMBER(log_level),
                       std::array{std::pair{"debug", log::level::debug}, std::pair{"info", log::level::info},
                                  std::pair{"warn", log::level::warn}, std::pair{"error", log::level::error}}));
  all.push_back(duration(named("--stock-refresh", "COFFER_STOCK_REFRESH", logs,
                               "how often the metrics of limited products are read from the database"),
                         COFFER_MEMBER(stock_refresh), milliseconds{100}, hours{1}));
  all.push_back(duration(named("--slow-request", "COFFER_SLOW_REQUEST", logs,
                               "a request or a batch that takes so long is logged as a warning"),
                         COFFER_MEMBER(slow_request), milliseconds{1}, hours{1}));
  all.push_back(choice(named("--log-format", "COFFER_LOG_FORMAT", logs, "auto: text on a terminal, JSON elsewhere"),
                       COFFER_MEMBER(log_format),
                       std::array{std::pair{"auto", log::format::automatic}, std::pair{"json", log::format::json},
                                  std::pair{"text", log::format::text}}));
}

std::vector<setting_spec> make_specs() {
  std::vector<setting_spec> all;
  add_network(all);
  add_access(all);
  add_storage(all);
  add_redis(all);
  add_work(all);
  add_http(all);
  add_logs(all);
  return all;
}

}  // namespace

std::span<const setting_spec> setting_specs() {
  static const std::vector<setting_spec> all = make_specs();
  return all;
}

const setting_spec& find_setting(std::string_view flag) {
  const auto all = setting_specs();
  const auto found = std::ranges::find_if(all, [&](const setting_spec& spec) { return spec.flag == flag; });
  COFFER_ASSERT(found != all.end());
  return *found;
}

}  // namespace coffer::app
