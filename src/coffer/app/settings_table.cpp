// The one table of settings: flag, variable, range, help; before it the kinds of settings, each with how it is read,
// checked and shown.
#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "coffer/api/browsers.hpp"
#include "coffer/app/settings.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/base/assert.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/net/address.hpp"
#include "coffer/pg/conninfo.hpp"

namespace coffer::app {

// Sources are compiled together, and these names are short.
namespace setting_kinds {

namespace {

// A reference to a member, for const and mutable settings alike.
#define COFFER_MEMBER(name) ([](auto& s) -> auto& { return s.name; })

using outcome = std::expected<void, std::string>;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// A setting without its range and accessors.
setting_spec named(const char* flag, const char* variable, const char* group, const char* help) {
  return {.flag = flag, .variable = variable, .group = group, .help = help, .shape = {}, .set = {}, .show = {}};
}

/// A whole number. `member` gives a reference to it in settings.
template <typename Member>
setting_spec integer(setting_spec spec, Member member, std::int64_t lowest, std::int64_t highest) {
  spec.shape = fmt::format("{}..{}", lowest, highest);
  spec.set = [=](settings& s, std::string_view text) -> outcome {
    const auto value = parse_integer(text);
    if (!value || *value < lowest || *value > highest) {
      return std::unexpected{fmt::format("a whole number from {} to {}", lowest, highest)};
    }
    member(s) = static_cast<std::remove_cvref_t<decltype(member(s))>>(*value);
    return {};
  };
  spec.show = [=](const settings& s) { return fmt::format("{}", member(s)); };
  spec.lowest = fmt::format("{}", lowest);
  spec.highest = fmt::format("{}", highest);
  spec.below = fmt::format("{}", lowest - 1);
  spec.above = fmt::format("{}", highest + 1);
  return spec;
}

template <typename Member>
setting_spec size(setting_spec spec, Member member, std::size_t lowest, std::size_t highest) {
  spec.shape = fmt::format("{}..{}", format_size(lowest), format_size(highest));
  spec.set = [=](settings& s, std::string_view text) -> outcome {
    const auto value = parse_size(text);
    if (!value || *value < lowest || *value > highest) {
      return std::unexpected{fmt::format("a number of bytes from {} to {}, such as 4096 or 16KiB", format_size(lowest),
                                         format_size(highest))};
    }
    member(s) = *value;
    return {};
  };
  spec.show = [=](const settings& s) { return format_size(member(s)); };
  spec.lowest = format_size(lowest);
  spec.highest = format_size(highest);
  spec.below = format_size(lowest - 1);
  spec.above = format_size(highest + 1);
  return spec;
}

template <typename Member>
setting_spec duration(setting_spec spec, Member member, milliseconds lowest, milliseconds highest) {
  spec.shape = fmt::format("{}..{}", format_duration(lowest), format_duration(highest));
  spec.set = [=](settings& s, std::string_view text) -> outcome {
    using target = std::remove_cvref_t<decltype(member(s))>;
    const auto value = parse_duration(text);
    const bool whole = value && *value % target{1} == milliseconds{0};
    if (!whole || *value < lowest || *value > highest) {
      return std::unexpected{fmt::format("a duration from {} to {} with its unit (ms, s, m, h), such as 5s",
                                         format_duration(lowest), format_duration(highest))};
    }
    member(s) = std::chrono::duration_cast<target>(*value);
    return {};
  };
  spec.show = [=](const settings& s) { return format_duration(member(s)); };
  spec.lowest = format_duration(lowest);
  spec.highest = format_duration(highest);
  if (lowest > milliseconds{0}) {
    spec.below = format_duration(lowest - milliseconds{1});
  }
  spec.above = format_duration(highest + milliseconds{1});
  return spec;
}

template <typename Member>
setting_spec on_off(setting_spec spec, Member member) {
  spec.shape = "on|off";
  spec.set = [=](settings& s, std::string_view text) -> outcome {
    const auto value = parse_switch(text);
    if (!value) {
      return std::unexpected{std::string{"on or off (or 1, 0, true, false)"}};
    }
    member(s) = *value;
    return {};
  };
  spec.show = [=](const settings& s) { return member(s) ? "on" : "off"; };
  return spec;
}

/// One of a few words, each standing for a value.
template <typename Member, typename Value, std::size_t Count>
setting_spec choice(setting_spec spec, Member member, std::array<std::pair<const char*, Value>, Count> words) {
  for (const auto& [word, value] : words) {
    spec.shape.append(spec.shape.empty() ? "" : "|").append(word);
  }
  spec.set = [=, shape = spec.shape](settings& s, std::string_view text) -> outcome {
    const auto found = std::ranges::find_if(words, [&](const auto& each) { return each.first == text; });
    if (found == words.end()) {
      return std::unexpected{"one of " + shape};
    }
    member(s) = found->second;
    return {};
  };
  spec.show = [=](const settings& s) -> std::string {
    return std::ranges::find_if(words, [&](const auto& each) { return each.second == member(s); })->first;
  };
  return spec;
}

/// Text that a predicate accepts. With `optional`, "none" stands for the empty text.
template <typename Member>
setting_spec text(setting_spec spec, Member member, const char* shape, const char* rule, bool optional,
                  bool (*accepts)(std::string_view)) {
  spec.shape = shape;
  spec.set = [=](settings& s, std::string_view value) -> outcome {
    if (optional && value == "none") {
      member(s).clear();
      return {};
    }
    if (!accepts(value)) {
      return std::unexpected{fmt::format("{}{}", rule, optional ? ", or none" : "")};
    }
    member(s) = value;
    return {};
  };
  spec.show = [=](const settings& s) { return optional && member(s).empty() ? std::string{"none"} : member(s); };
  return spec;
}

/// The name of a file, or none.
template <typename Member>
setting_spec file(setting_spec spec, Member member) {
  return text(std::move(spec), member, "FILE", "the name of a file", true, [](std::string_view value) {
    return !value.empty() && std::ranges::all_of(value, [](unsigned char c) { return c >= 0x20; });
  });
}

constexpr const char* network = "Network";
constexpr const char* access = "Access";
constexpr const char* rates = "Rate limits";
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

bool accepts_name(std::string_view value) {
  return !value.empty() && value.size() <= 200 && std::ranges::all_of(value, [](char c) { return c > ' ' && c < 127; });
}

setting_spec algorithms(setting_spec spec) {
  using coffer::auth::algorithm;
  spec.shape = "LIST";
  spec.set = [](settings& s, std::string_view value) -> outcome {
    std::vector<algorithm> all;
    for (std::string_view left = value; !left.empty();) {
      const std::string_view name = left.substr(0, left.find(','));
      const auto one = coffer::auth::algorithm_from_string(name);
      if (!one) {
        return std::unexpected{std::string{"a list of HS256, ES256, EdDSA and RS256, separated by commas"}};
      }
      all.push_back(*one);
      left.remove_prefix(std::min(name.size() + 1, left.size()));
    }
    s.jwt_algorithms = std::move(all);
    return {};
  };
  spec.show = [](const settings& s) {
    std::string text;
    for (const algorithm each : s.jwt_algorithms) {
      text.append(text.empty() ? "" : ",").append(coffer::auth::to_string(each));
    }
    return text;
  };
  return spec;
}

/// Limits of one class of requests.
template <typename Member>
setting_spec limits(setting_spec spec, Member member) {
  spec.shape = "LIST";
  spec.set = [=](settings& s, std::string_view value) -> outcome {
    const auto parsed = limit::parse_policies(value);
    if (!parsed) {
      return std::unexpected{parsed.error()};
    }
    member(s) = *parsed;
    return {};
  };
  spec.show = [=](const settings& s) { return limit::to_string(member(s)); };
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

void add_rates(std::vector<setting_spec>& all) {
  all.push_back(
      limits(named("--limit-funds", "COFFER_LIMIT_FUNDS", rates,
                   "add-funds, grants and refunds: per user, key and address, such as user:10/1s,key:1000/1s"),
             COFFER_MEMBER(limit_funds)));
  all.push_back(limits(named("--limit-purchase", "COFFER_LIMIT_PURCHASE", rates, "purchases, likewise"),
                       COFFER_MEMBER(limit_purchase)));
  all.push_back(limits(named("--limit-use", "COFFER_LIMIT_USE", rates, "uses, likewise"), COFFER_MEMBER(limit_use)));
  all.push_back(limits(named("--limit-read", "COFFER_LIMIT_READ", rates, "reads of users, products and keys, likewise"),
                       COFFER_MEMBER(limit_read)));
  setting_spec credentials =
      limits(named("--limit-credentials", "COFFER_LIMIT_CREDENTIALS", rates,
                   "wrong or unknown credentials, per address; address:60/1m with --auth required"),
             COFFER_MEMBER(limit_credentials));
  const auto set = credentials.set;
  credentials.set = [set](settings& s, std::string_view value) -> outcome {
    settings tried;
    outcome stored = set(tried, value);
    const limit::policies& p = tried.limit_credentials;
    if (stored && (p.of(limit::dimension::user).limits() || p.of(limit::dimension::key).limits())) {
      stored = std::unexpected{std::string{"per address alone: whose the credentials are is not known"}};
    }
    return stored ? set(s, value) : stored;
  };
  all.push_back(std::move(credentials));
}

void add_access(std::vector<setting_spec>& all) {
  all.push_back(on_off(named("--test-keys", "COFFER_TEST_KEYS", access, "whether cof_test_ keys are accepted"),
                       COFFER_MEMBER(test_keys)));
  all.push_back(duration(named("--key-refresh", "COFFER_KEY_REFRESH", access,
                               "how often keys are read anew: a revoked one may go on so long"),
                         COFFER_MEMBER(key_refresh), milliseconds{100}, minutes{1}));
  all.push_back(file(named("--jwt-keys", "COFFER_JWT_KEYS", access,
                           "the JSON Web Key Set that players' tokens are signed with, read again at SIGHUP; none: no "
                           "tokens"),
                     COFFER_MEMBER(jwt_keys)));
  all.push_back(text(named("--jwt-issuer", "COFFER_JWT_ISSUER", access, "the iss that tokens must have"),
                     COFFER_MEMBER(jwt_issuer), "TEXT", "1 to 200 visible ASCII characters", true, accepts_name));
  all.push_back(text(named("--jwt-audience", "COFFER_JWT_AUDIENCE", access, "the aud that tokens must have"),
                     COFFER_MEMBER(jwt_audience), "TEXT", "1 to 200 visible ASCII characters", true, accepts_name));
  all.push_back(
      algorithms(named("--jwt-algorithms", "COFFER_JWT_ALGORITHMS", access, "what tokens may be signed with")));
  all.push_back(duration(named("--jwt-leeway", "COFFER_JWT_LEEWAY", access, "for clocks that differ"),
                         COFFER_MEMBER(jwt_leeway), milliseconds{0}, minutes{5}));
  add_rates(all);
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
  all.push_back(duration(named("--event-retention", "COFFER_EVENT_RETENTION", work,
                               "how long events are kept for those who follow GET /events"),
                         COFFER_MEMBER(event_retention), hours{1}, hours{24} * 3650));
  all.push_back(on_off(named("--relay", "COFFER_RELAY", work,
                             "whether this process may send webhooks; of all that may, one does at a time"),
                       COFFER_MEMBER(relay)));
  all.push_back(on_off(named("--webhook-allow-private", "COFFER_WEBHOOK_ALLOW_PRIVATE", work,
                             "lets webhooks go to plain http, and to addresses that are not public"),
                       COFFER_MEMBER(webhook_allow_private)));
  all.push_back(file(named("--webhook-ca", "COFFER_WEBHOOK_CA", work,
                           "PEM file of the authorities that receivers' certificates must be from; none: the system's"),
                     COFFER_MEMBER(webhook_ca)));
}

void add_http(std::vector<setting_spec>& all) {
  all.push_back(integer(named("--max-connections", "COFFER_MAX_CONNECTIONS", http,
                              "clients at once (never more than open files leave); more wait"),
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

}  // namespace setting_kinds

std::span<const setting_spec> setting_specs() {
  static const std::vector<setting_spec> all = setting_kinds::make_specs();
  return all;
}

const setting_spec& find_setting(std::string_view flag) {
  const auto all = setting_specs();
  const auto found = std::ranges::find_if(all, [&](const setting_spec& spec) { return spec.flag == flag; });
  COFFER_ASSERT(found != all.end());
  return *found;
}

}  // namespace coffer::app
