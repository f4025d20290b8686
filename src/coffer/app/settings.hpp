// Every setting of `coffer serve` with its default, and how they are found: flags before variables before defaults.
// Knows no command-line library.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/auth/jwt_keys.hpp"
#include "coffer/base/log.hpp"
#include "coffer/http/limits.hpp"
#include "coffer/json/reader.hpp"
#include "coffer/limit/policy.hpp"

namespace coffer::app {

/// Whether requests must carry a key.
enum class auth_mode : std::uint8_t { off, required };

/// The settings of a server process. Ranges, flags and variables: settings_table.cpp.
struct settings {
  std::string listen = "127.0.0.1:8080";        ///< host:port or [v6]:port; port 0 picks a free one
  std::string admin_listen = "127.0.0.1:8081";  ///< as listen; metrics. Empty: no admin listener
  bool allow_insecure_listen = false;           ///< lets auth off go with an address other hosts can reach
  std::string tls_certificate;                  ///< PEM file, the chain; empty: the API is plain HTTP
  std::string tls_key;                          ///< PEM file; needed with tls_certificate
  auth_mode auth = auth_mode::off;
  std::string allowed_hosts;  ///< with auth off: further names for Host, comma-separated
  std::string cors_origins;   ///< whose pages may read answers, comma-separated, or *; empty: nobody's
  bool test_keys = false;     ///< whether cof_test_ keys are accepted
  std::chrono::milliseconds stock_refresh{15000};  ///< how old the metrics of stocks may be, 100 ms..1 h
  std::chrono::seconds event_retention{std::chrono::hours{24} * 30};  ///< how long events are kept, 1 h..10 years
  bool relay = true;                   ///< whether this process may be the one that sends webhooks
  bool webhook_allow_private = false;  ///< webhooks to plain http and to addresses that are not public
  std::string webhook_ca;  ///< PEM file of the authorities that webhooks' certificates need; empty: the system's
  std::chrono::milliseconds key_refresh{2000};  ///< how long a revoked key may go on working, 100 ms..1 min
  std::string jwt_keys;                         ///< file with a JSON Web Key Set; empty: no players' tokens
  std::string jwt_issuer;                       ///< iss of tokens; needed with jwt_keys
  std::string jwt_audience;                     ///< aud of tokens; needed with jwt_keys
  std::vector<coffer::auth::algorithm> jwt_algorithms{coffer::auth::algorithm::es256, coffer::auth::algorithm::eddsa,
                                                      coffer::auth::algorithm::rs256};
  std::chrono::seconds jwt_leeway{30};  ///< for clocks that differ, 0..5 min

  limit::policies limit_funds;  ///< add-funds, grants, refunds
  limit::policies limit_purchase;
  limit::policies limit_use;
  limit::policies limit_read;
  limit::policies limit_credentials;  ///< wrong or unknown ones, by address alone

  std::string database_url = "postgresql:///coffer";
  std::string redis_url = "redis://127.0.0.1:6379/0";  ///< empty: no cache
  std::string redis_prefix = "coffer:";  ///< of every key, 1..64 visible characters: several servers on one redis

  int threads = 1;                                 ///< 1..64
  int lanes = 2;                                   ///< writing connections of the process, a lane each, 1..32
  std::size_t max_batch = 256;                     ///< commands per batch, 1..4096
  std::size_t lane_queue = 1024;                   ///< commands waiting per lane, 1..1000000; beyond: 503 overloaded
  std::size_t read_pool_size = 8;                  ///< reading connections per thread, 1..256
  std::size_t read_pool_waiting = 1024;            ///< requests waiting for one of them per thread, 1..1000000
  std::chrono::milliseconds drain_timeout{15000};  ///< for requests in flight at SIGTERM, 0..10 min

  std::chrono::milliseconds database_connect_timeout{2000};    ///< 10 ms..60 s
  std::chrono::milliseconds database_acquire_timeout{500};     ///< wait for a pooled connection, 10 ms..60 s
  std::chrono::milliseconds database_statement_timeout{2000};  ///< 10 ms..60 s, at most http.request_time
  std::chrono::milliseconds database_lock_timeout{1000};       ///< 10 ms..60 s, at most the statement timeout
  bool prepared = true;                                        ///< false for poolers in transaction mode

  std::chrono::milliseconds redis_connect_timeout{200};  ///< 1 ms..10 s
  std::chrono::milliseconds redis_command_timeout{100};  ///< 1 ms..10 s
  int redis_breaker_failures = 5;                        ///< in a row, 1..1000
  std::chrono::milliseconds redis_breaker_pause{1000};   ///< 10 ms..1 min

  std::int64_t max_deposit = 1'000'000'000;         ///< credits per deposit, 1..2^53-1
  std::chrono::seconds cache_ttl{300};              ///< of inventories, 1 s..1 day
  std::chrono::seconds popular_ttl{3600};           ///< of the popular products, 1 s..1 day
  std::chrono::seconds cache_reset_at{0};           ///< time of day, UTC; "HH:MM" or "HH:MM:SS" outside
  log::level log_level = log::level::info;          ///< debug, info, warn, error
  std::chrono::milliseconds slow_request{1000};     ///< from then on requests and batches are warnings, 1 ms..1 h
  log::format log_format = log::format::automatic;  ///< auto, json, text

  /// Connections of one address, 0..1000000; 0: any number. Without a value half of all that there may be: no client
  /// alone can keep the others out, while a gateway with many people behind it, or a load generator, has room.
  std::optional<std::size_t> max_connections_per_address;
  std::string trusted_proxies;  ///< addresses and networks, comma-separated: not capped, and X-Forwarded-For counts

  std::size_t max_upload_answers = std::size_t{256} << 20U;  ///< bytes held per bulk upload, 1 MiB..64 GiB
  std::string spool_directory = "/var/tmp";                  ///< of the files that hold them

  std::size_t max_json_depth = json::usual_depth;  ///< of bodies, 4..64

  http::limits http;  ///< request_time is the deadline that is passed down
};

/// The value of an environment variable, or nullopt.
using variables = std::function<std::optional<std::string>(const char* name)>;

/// One setting as the command line and the environment know it.
struct setting_spec {
  const char* flag;      ///< "--lanes"
  const char* variable;  ///< "COFFER_LANES"
  const char* group;     ///< heading in the help
  const char* help;      ///< what it is, without range and default
  std::string shape;     ///< what a value looks like: "1..32", "HOST:PORT"
  /// Stores a value. The error completes "... is not valid: it must be"; nothing is stored then.
  std::function<std::expected<void, std::string>(settings&, std::string_view)> set;
  /// The value as `set` reads it.
  std::function<std::string(const settings&)> show;
  /// Values at the ends of the range and just beyond them; empty strings where there is no range.
  std::string lowest{};
  std::string highest{};
  std::string below{};
  std::string above{};
  bool is_switch = false;  ///< the flag alone means "on"
  bool is_secret = false;  ///< a value is never repeated in a message
};

/// All settings in the order of the help.
std::span<const setting_spec> setting_specs();

/// The setting with that flag; asserts that there is one.
const setting_spec& find_setting(std::string_view flag);

/// A setting from the flag if given, else from its variable if that is set and not empty, else unchanged. For a secret
/// the variable NAME_FILE may name a file that holds it. The error names the source and the allowed values.
std::expected<void, std::string> apply_setting(settings& into, const setting_spec& spec,
                                               const std::optional<std::string>& flag, const variables& env);

/// Whether settings::listen may be listened on: without keys only this machine may reach the server. The error says
/// what else there is.
std::expected<void, std::string> check_listen(const settings& s);

/// Refuses variables that begin with COFFER_, have a value and are no setting: one that is misspelt would leave its
/// setting, a limit perhaps, at its default. Those of the project's scripts and what Kubernetes sets for a service
/// named coffer pass.
std::expected<void, std::string> check_variables(const std::vector<std::string>& names, const variables& env);

/// The settings from flags (by name, e.g. "--lanes"), then variables, then defaults, checked against each other:
/// timeouts nest (those not given follow the outer one down), and without keys only this machine may reach the server.
std::expected<settings, std::string> resolve_settings(
    const std::function<std::optional<std::string>(const char* flag)>& flags, const variables& env);

}  // namespace coffer::app
