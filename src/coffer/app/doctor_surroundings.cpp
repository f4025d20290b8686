#include <sys/resource.h>

#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "coffer/app/descriptors.hpp"
#include "coffer/app/doctor_looks.hpp"
#include "coffer/app/healthcheck.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/app/token_keys.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/net/tls.hpp"
#include "coffer/redis/client.hpp"

namespace coffer::app {

namespace {

constexpr const char* cache_remedy =
    "check --redis-url (REDIS_URL); without a cache everything is right, but inventories cost a query each";

/// What Redis says to a write that changes nothing anybody reads.
net::task<redis::outcome> try_write(redis::client& cache, const std::string& prefix) {
  std::vector<std::string> words{"SET", prefix + "doctor", "1", "PX", "1000"};
  co_return co_await cache.command(std::move(words));
}

finding judged(const redis::outcome& said, const std::string& refusal) {
  if (!refusal.empty()) {
    return {.subject = "cache",
            .grade = health_grade::doubtful,
            .detail = fmt::format("Redis answers and cannot be used: {}", refusal),
            .remedy = "correct --redis-url (REDIS_URL); until then inventories cost a query each"};
  }
  if (!said) {
    return {.subject = "cache",
            .grade = health_grade::doubtful,
            .detail = fmt::format("Redis does not answer: {}", redis::to_string(said.error())),
            .remedy = cache_remedy};
  }
  if (said->is_ok()) {
    return {.subject = "cache", .detail = "Redis answers and takes writes", .remedy = {}};
  }
  return {.subject = "cache",
          .grade = health_grade::doubtful,
          .detail = fmt::format("Redis refuses writes: {}", said->text),
          .remedy = said->error_code() == "OOM" ? "raise maxmemory, or set maxmemory-policy to allkeys-lru"
                                                : "name a primary that may be written in --redis-url (REDIS_URL)"};
}

bool is_everywhere(const std::string& listen) {
  const auto address = parse_listen_address(listen);
  return address && (address->host == "0.0.0.0" || address->host == "::");
}

/// Listens on it with `probe`, as a server would. `flag` names the setting.
finding try_address(const char* subject, const std::string& listen, const char* flag, const char* scheme,
                    asio::ip::tcp::acceptor& probe) {
  const auto address = parse_listen_address(listen);
  finding f{.subject = subject, .detail = fmt::format("{} is free", listen), .remedy = {}};
  asio::error_code failed;
  const asio::ip::tcp::endpoint where{asio::ip::make_address(address->host, failed), address->port};
  if (!failed) {
    probe.open(where.protocol(), failed);
  }
  if (!failed) {
    probe.set_option(asio::socket_base::reuse_address{true}, failed);
    probe.bind(where, failed);
  }
  if (!failed) {
    probe.listen(1, failed);
  }
  if (!failed) {
    return f;
  }
  f.grade = health_grade::bad;
  if (failed == asio::error::address_in_use) {
    const health answer = check_health(fmt::format("{}://{}/livez", scheme, address->text()));
    f.detail = fmt::format("{} is in use{}", listen, answer.ok ? ": a server answers there" : " by another program");
    f.remedy = fmt::format("stop what listens there (`ss -ltnp`), or choose another {}", flag);
    return f;
  }
  f.detail = fmt::format("{} cannot be listened on: {}", listen, failed.message());
  f.remedy = fmt::format("choose an address of this machine with {}", flag);
  return f;
}

}  // namespace

net::task<std::vector<finding>> look_at_cache(const settings& s) {
  std::vector<finding> all;
  if (s.redis_url.empty()) {
    all.push_back({.subject = "cache", .detail = "off: inventories come from the database", .remedy = {}});
    co_return all;
  }
  std::optional<std::string> failure;
  try {
    redis::options how{s.redis_url};
    how.connect_timeout = s.redis_connect_timeout;
    // A command that is given while the connection is being made waits for it.
    how.command_timeout = s.redis_connect_timeout + s.redis_command_timeout;
    redis::client cache{co_await asio::this_coro::executor, std::move(how)};
    const redis::outcome said = co_await try_write(cache, s.redis_prefix);
    all.push_back(judged(said, cache.refusal()));
    co_await cache.close();
  } catch (const std::invalid_argument& e) {
    failure = e.what();
  }
  if (failure) {
    all.push_back({.subject = "cache",
                   .grade = health_grade::bad,
                   .detail = *std::move(failure),
                   .remedy = "correct --redis-url (REDIS_URL): a server would not start"});
  }
  co_return all;
}

std::vector<finding> look_at_tokens(const settings& s) {
  std::vector<finding> all;
  if (s.jwt_keys.empty()) {
    return all;
  }
  try {
    const auth::jwt_keys keys = read_token_keys(s);
    std::string detail = fmt::format("{} keys in {}", keys.size(), s.jwt_keys);
    if (!keys.skipped().empty()) {
      detail += fmt::format(", without {}", fmt::join(keys.skipped(), "; "));
    }
    all.push_back({.subject = "tokens", .detail = std::move(detail), .remedy = {}});
  } catch (const std::runtime_error& e) {
    all.push_back({.subject = "tokens",
                   .grade = health_grade::bad,
                   .detail = e.what(),
                   .remedy = "correct the file: a server would not start"});
  }
  return all;
}

finding look_at_certificate(const settings& s) {
  constexpr std::chrono::days early{14};
  if (s.tls_certificate.empty()) {
    const auto address = parse_listen_address(s.listen);
    const bool exposed = address && !address->is_loopback() && s.trusted_proxies.empty();
    return {.subject = "tls",
            .grade = exposed ? health_grade::doubtful : health_grade::good,
            .detail = exposed ? fmt::format("off: what clients send to {} can be read on the way", s.listen) : "off",
            .remedy = exposed ? "set --tls-certificate and --tls-key, or name the proxy that speaks TLS in "
                                "--trusted-proxies"
                              : ""};
  }
  finding f{.subject = "tls", .detail = {}, .remedy = {}};
  try {
    const timestamp expires = net::tls_context::for_server(s.tls_certificate, s.tls_key)->expires_at();
    const bool over = expires <= now();
    f.detail = fmt::format("{} {} {}", s.tls_certificate, over ? "expired at" : "is good until", to_rfc3339(expires));
    if (expires <= now() + early) {
      f.grade = health_grade::doubtful;
      f.remedy = "renew it, then send SIGHUP to the server";
    }
  } catch (const std::runtime_error& e) {
    f.grade = health_grade::bad;
    f.detail = e.what();
    f.remedy = "correct --tls-certificate and --tls-key: a server would not start";
  }
  return f;
}

finding look_at_descriptors(const settings& s) {
  const std::size_t wanted = s.http.connections + reserved_descriptors(s);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  finding f{.subject = "descriptors",
            .detail = fmt::format("{} allowed, {} wanted at most", files.rlim_cur, wanted),
            .remedy = {}};
  if (files.rlim_cur < wanted) {
    f.grade = health_grade::doubtful;
    f.remedy =
        fmt::format("`ulimit -n {}`, LimitNOFILE={} in a systemd unit, or fewer --max-connections", wanted, wanted);
  }
  return f;
}

std::vector<finding> look_at_addresses(const settings& s) {
  asio::io_context context{1};
  // The first is held while the second is tried: the two may be one.
  asio::ip::tcp::acceptor api{context};
  asio::ip::tcp::acceptor admin{context};
  std::vector<finding> all;
  const char* scheme = s.tls_certificate.empty() ? "http" : "https";
  all.push_back(try_address("address", s.listen, "--listen (COFFER_LISTEN)", scheme, api));
  if (s.admin_listen.empty()) {
    all.push_back({.subject = "admin", .detail = "off: there is no /metrics", .remedy = {}});
    return all;
  }
  all.push_back(try_address("admin", s.admin_listen, "--admin-listen (COFFER_ADMIN_LISTEN)", "http", admin));
  if (all.back().grade == health_grade::good && is_everywhere(s.admin_listen)) {
    all.back().grade = health_grade::doubtful;
    all.back().detail += ", and shows /metrics to whoever reaches this machine";
    all.back().remedy = "give --admin-listen (COFFER_ADMIN_LISTEN) the address that Prometheus comes to";
  }
  return all;
}

std::vector<finding> look_at_access(const settings& s) {
  std::vector<finding> all;
  if (s.auth == auth_mode::required) {
    return all;  // who has a key is in the database
  }
  const auto address = parse_listen_address(s.listen);
  finding f{.subject = "access", .detail = "everybody who reaches it: --auth is off", .remedy = {}};
  if (address && !address->is_loopback()) {
    f.grade = health_grade::doubtful;
    f.detail = fmt::format("everybody who reaches {}{}: --auth is off", s.listen,
                           is_everywhere(s.listen) ? " (every address of this machine)" : "");
    f.remedy = "--auth required (COFFER_AUTH=required) and `coffer key create`, unless the network itself is closed";
  }
  all.push_back(std::move(f));
  return all;
}

}  // namespace coffer::app
